// The handlers of in_node.py, for the worker in workers/typescript. Each is given its job, and the job's arguments.
export const handlers = {
  hello: (_job, [name]) => `hello, ${name}, from Node ${process.version}`,

  price: (_job, [amount, currency]) => amount.toLocaleString("en-US", { style: "currency", currency }),
};
