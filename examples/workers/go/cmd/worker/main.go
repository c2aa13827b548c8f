// The worker, with the handlers of the conformance suite.
package main

import (
	"fmt"
	"os"

	jobwire "jobwire.example/worker"
	"jobwire.example/worker/conformance"
)

func main() {
	worker, err := jobwire.NewWorker(jobwire.FromEnvironment(), conformance.Handlers())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	worker.Main(func() { fmt.Println("ready") })
}
