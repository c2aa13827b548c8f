// Package jobwire is a worker, a producer and a codec of SPEC.md.
package jobwire

import (
	"context"
	cryptorand "crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Worker runs the jobs of its queues.
type Worker struct {
	Settings
	handlers map[string]Handler
	scripts  *scripts
	mutex    sync.Mutex // of all below, and of each job
	held     map[*job]bool
	running  atomic.Int32
	stopping atomic.Bool
	freed    chan struct{} // a slot is free, or the worker stops
	claiming sync.Mutex
	serverMs int64
	asOf     time.Time
}

// NewWorker returns a worker with these handlers by type.
func NewWorker(settings Settings, handlers map[string]Handler) (*Worker, error) {
	scripts, err := newScripts(settings.URL, settings.Namespace, true)
	return &Worker{Settings: settings, handlers: handlers, scripts: scripts, held: map[*job]bool{}, freed: make(chan struct{}, 1)}, err
}

// Main works until SIGTERM or SIGINT; ready is called before the first claim.
func (w *Worker) Main(ready func()) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		for w.scripts.load(context.Background()) != nil {
			time.Sleep(100 * time.Millisecond)
		}
		go w.heartbeat()
		ready()
		w.work()
	}()
	<-signals
	w.stop(signals)
}

func (w *Worker) work() {
	queues, token := slices.Clone(w.Queues), ""
	for len(queues) > 0 && !w.stopping.Load() {
		wait := int64(2000)
		for _, queue := range slices.Clone(queues) {
			if w.room() == 0 && queue != token {
				continue // of a queue whose token was taken at least what is due has to be seen [CLAIM-9]
			}
			waitMs, err := w.claim(queue, w.room())
			if err != nil {
				slog.Error("no more claims", "queue", queue, "error", err) // [CALL-5]
				queues = slices.DeleteFunc(queues, func(name string) bool { return name == queue })
			}
			wait = min(wait, waitMs)
		}
		token = ""
		if w.room() == 0 {
			w.waitForRoom()
		} else if wait > 0 && !w.stopping.Load() {
			token = w.idle(queues, wait)
		}
	}
}

// claim takes and starts up to room jobs; it returns for how many ms there is nothing more.
func (w *Worker) claim(queue string, room int) (int64, error) {
	w.claiming.Lock()
	defer w.claiming.Unlock()
	for ctx := context.Background(); ; time.Sleep(100 * time.Millisecond) {
		if w.stopping.Load() {
			return 2000, nil
		}
		if w.scripts.interrupted.Swap(false) {
			w.extend() // what is held comes before what is new [CLAIM-12]
		}
		reply, err := w.scripts.once(ctx, "claim", w.scripts.keys(queue), cryptorand.Text(), w.Lease.Milliseconds(), min(room, 1000), w.rescue())
		if err != nil && fatal(err) {
			return 2000, err
		} else if err != nil {
			continue
		}
		w.locked(func() { w.serverMs, w.asOf = reply[0].(int64), time.Now() })
		for flat := reply[3:]; len(flat) > 0; flat = flat[5:] {
			w.start(queue, reply[2] == int64(1), flat)
		}
		return reply[1].(int64), nil
	}
}

func (w *Worker) start(queue string, taken bool, part []any) {
	job := newJob(queue, taken, part)
	w.running.Add(1)
	w.locked(func() { w.held[job] = true })
	go func() {
		if w.stopping.Load() {
			w.settle(job, "release", nil, 0)
		} else {
			w.run(job)
		}
		w.running.Add(-1)
		w.free()
	}()
}

// idle blocks until a queue has something, or the time is over; it returns the queue whose token it took. [CLAIM-7]
func (w *Worker) idle(queues []string, waitMs int64) string {
	command, queueOf := []any{"BLPOP"}, map[any]string{}
	for _, queue := range queues {
		command = append(command, w.scripts.key(queue, "wake"))
		queueOf[w.scripts.key(queue, "wake")] = queue
	}
	// A fraction of a second, which the client's own call cannot say.
	seconds := fmt.Sprintf("%.3f", float64(max(waitMs, 10))/1000)
	reply, err := w.scripts.client.Do(context.Background(), append(command, seconds)...).Slice()
	if err != nil && !isReply(err) {
		w.scripts.interrupted.Store(true)
		time.Sleep(50 * time.Millisecond)
	}
	return queueOf[append(reply, nil)[0]]
}

func (w *Worker) run(job *job) {
	envelope, encoding, err := Decode(job.bytes)
	job.encoding = encoding
	if err == nil && (envelope["id"] != job.id || envelope["queue"] != job.queue) {
		field := map[bool]string{true: "queue", false: "id"}[envelope["id"] == job.id]
		err = &Rejected{Code: "invalid", Field: field, Message: field + ": not the one that it was claimed under [RUN-6]"}
	}
	if rejected := (*Rejected)(nil); errors.As(err, &rejected) {
		if len(job.document) > 0 {
			w.asDecided(job)
			return
		}
		w.fail(job, rejected.problem())
		return
	}
	job.envelope = envelope
	expiresAt, expires := envelope["expires_at"].(float64)
	switch handler, known := w.handlers[envelope["type"].(string)]; {
	case len(job.document) > 0:
		w.asDecided(job)
	case expires && expiresAt <= float64(w.now()):
		problem := Problem{Code: "expired", Message: fmt.Sprintf("expires_at was %.0f", expiresAt)}
		w.settle(job, "expire", writeError(w.outcome(job, "expired"), problem, job.encoding), ttl(job))
	case !known:
		w.retryOrFail(job, Problem{Code: "unknown_type", Message: "no handler for " + envelope["type"].(string)}, 0)
	default:
		w.attempt(job, handler)
	}
}

// asDecided settles a job as the document says that it came with. [RUN-2] [RUN-4]
func (w *Worker) asDecided(job *job) {
	document, err := ReadOutcome(job.document)
	verb := verbs[document["state"]]
	then, _ := job.envelope["then"].([]any)
	switch {
	case err != nil || verb == "" || document["id"] != job.id:
		w.fail(job, Problem{Code: "malformed", Message: fmt.Sprintf("the stored document ends nothing: %v [RUN-4]", err)})
	case verb == "succeed" && (len(then) > 0 || job.envelope["join"] != nil):
		w.handOver(job, job.document)
	case verb == "fail":
		w.settle(job, verb, job.document, 0)
	default:
		w.settle(job, verb, job.document, ttl(job))
	}
}

func (w *Worker) attempt(job *job, handler Handler) {
	ctx, tell := context.WithCancelCause(context.Background())
	defer tell(nil)
	w.locked(func() { job.tell = tell })
	if w.isOver(job) {
		return // its lease is lost [RUN-16]
	} else if job.cancelled.Load() {
		w.cancel(job)
		return
	}
	if timeoutMs := integerOf(job.envelope, "timeout_ms", 0); timeoutMs > 0 {
		timer := time.AfterFunc(time.Duration(min(timeoutMs, 1<<42))*time.Millisecond, func() {
			if !job.ended.Swap(true) { // before the handler can answer to being told
				tell(ErrTimeout)
				w.retryOrFail(job, Problem{Code: "timeout", Message: fmt.Sprintf("not done after %d ms", timeoutMs)}, 1000)
			}
		})
		defer timer.Stop()
	}
	result, problem := call(ctx, handler, w.context(job), job.envelope, w.HideStack)
	switch {
	case job.ended.Swap(true) || w.isOver(job): // timed out, told to stop, or lost: what it returned is dropped
	case problem != nil:
		w.retryOrFail(job, *problem, 0)
	default:
		w.succeed(job, result)
	}
}

func (w *Worker) succeed(job *job, result any) {
	then, _ := job.envelope["then"].([]any)
	room := 31
	if job.envelope["join"] != nil {
		room = 28
	} else if len(then) > 0 {
		room = 30
	}
	outcome := w.outcome(job, "succeeded")
	outcome["result"] = result
	document, err := Write(present(outcome), job.encoding)
	if _, tooDeep := writable(result, room); tooDeep != nil {
		err = tooDeep
	}
	if err == nil && len(then) > 0 {
		_, err = Write(nextEnvelope(job.envelope, then[0].(Fields), result, then[1:]), job.encoding)
	}
	switch {
	case err != nil:
		w.unfit(job, err)
	case room < 31:
		w.decide(job, document)
	default:
		w.settle(job, "succeed", document, ttl(job))
	}
}

// unfit fails a job whose result, or next envelope, cannot be written.
func (w *Worker) unfit(job *job, err error) {
	tooLarge := errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrUnwritable)
	code := map[bool]string{true: "result_too_large", false: "result_unserializable"}[tooLarge]
	if job.cancelled.Load() {
		w.cancel(job) // [CANCEL-3]
	} else {
		w.fail(job, Problem{Code: code, Message: err.Error()})
	}
}

func (w *Worker) retryOrFail(job *job, problem Problem, leastMs int64) {
	policy := policyOf(job.envelope)
	named := problem.Type
	if named == "" {
		named = problem.Code
	}
	unknown := problem.Code == "unknown_type"
	switch {
	case job.cancelled.Load():
		w.cancel(job) // [CANCEL-3]
	case !unknown && (problem.Final || slices.Contains(policy.NoRetryOn, any(named))), int(job.attempt) >= policy.MaxAttempts:
		w.fail(job, problem)
	case unknown: // another worker may know it [RUN-8]
		w.settle(job, "retry", writeError(w.outcome(job, "retrying"), problem, job.encoding), int64(policy.MaxDelayMs))
	default:
		w.settle(job, "retry", writeError(w.outcome(job, "retrying"), problem, job.encoding), max(leastMs, delay(policy, job.attempt)))
	}
}

func delay(policy Policy, attempt int64) int64 {
	low, high := policy.DelayRange(int(attempt))
	return low + rand.N(high-low+1)
}

// decide stores the outcome, hands over what comes next, closes. [FLOW-3]
func (w *Worker) decide(job *job, document []byte) {
	if w.send(job, "decide", document, 0) == "done" {
		w.handOver(job, document)
	}
}

func (w *Worker) handOver(job *job, document []byte) {
	job.decided.Store(true)
	outcome, _, err := Read(document)
	steps, _ := job.envelope["then"].([]any)
	before := outcome["result"]
	if join, ok := job.envelope["join"].(Fields); ok && err == nil {
		steps = join["then"].([]any)
		var complete bool
		if before, complete, err = w.scripts.join(join, document); err == nil && !complete {
			w.settle(job, "succeed", document, ttl(job))
			return
		}
	}
	if err == nil {
		err = w.scripts.pass(nextEnvelope(job.envelope, steps[0].(Fields), before, steps[1:]), job.encoding)
	}
	switch rejected := (*Rejected)(nil); {
	case err == nil:
		w.settle(job, "succeed", document, ttl(job))
	case errors.As(err, &rejected):
		w.fail(job, rejected.problem())
	default:
		w.unfit(job, err)
	}
}

// settle ends a run: the first call for a job counts, what comes later is dropped.
func (w *Worker) settle(job *job, verb string, document []byte, number int64) {
	var over bool
	w.locked(func() { over, job.over = job.over, true })
	if over {
		return
	}
	switch answer := w.send(job, verb, document, number); answer {
	case "cancel": // [CANCEL-4]
		w.locked(func() { job.over = false })
		w.cancel(job)
	case "refused":
		w.locked(func() { job.over = false })
		w.fail(job, Problem{Code: "result_too_large", Message: verb + " was refused"})
	default:
		w.locked(func() { delete(w.held, job) })
		w.free()
	}
}

func (w *Worker) send(job *job, verb string, document []byte, number int64) string {
	reply, resent, err := w.scripts.call(context.Background(), "settle", w.scripts.keys(job.queue, job.id), job.id, job.token, verb, document, number)
	if err != nil {
		slog.Error("settle", "job", job.id, "error", err)
		return "lost"
	}
	if reply[1] == "lost" {
		w.lose(job, resent)
	}
	return reply[1].(string)
}

func (w *Worker) heartbeat() {
	for range time.Tick(w.Lease / 4) {
		w.extend()
	}
}

// extend sets all leases anew, sends the latest progress, and hears of cancels. [LEASE-1]
func (w *Worker) extend() {
	batches, arguments := map[string][]*job{}, map[string][]any{}
	w.mutex.Lock()
	for job := range w.held {
		batches[job.queue] = append(batches[job.queue], job)
		arguments[job.queue] = append(arguments[job.queue], job.id, job.token, job.progress)
		job.progress = nil
	}
	w.mutex.Unlock()
	for queue, jobs := range batches {
		reply, resent, err := w.scripts.call(context.Background(), "extend", w.scripts.keys(queue), append([]any{w.Lease.Milliseconds()}, arguments[queue]...)...)
		if err != nil {
			slog.Error("extend", "queue", queue, "error", err)
			continue
		}
		for index, job := range jobs {
			if answer := reply[index+1]; answer == "lost" && !w.isOver(job) {
				w.lose(job, resent)
			} else if answer == "cancel" {
				job.cancelled.Store(true)
				w.teller(job)(ErrCancelled)
			}
		}
	}
}

// stop claims no more, waits for what runs at most the grace, releases the rest, and ends the process. [STOP-1..6]
func (w *Worker) stop(signals <-chan os.Signal) {
	w.stopping.Store(true)
	w.free()
	done := make(chan struct{})
	go func() {
		w.claiming.Lock() // a claim on its way
		for w.running.Load() > 0 || len(w.holds()) > 0 {
			<-w.freed // handlers, and settles that are on their way
		}
		close(done)
	}()
	select {
	case <-done:
	case <-signals:
	case <-time.After(w.Grace):
	}
	time.AfterFunc(2*time.Second, func() { os.Exit(0) })
	var releases sync.WaitGroup
	for _, job := range w.holds() {
		job.ended.Store(true)
		w.teller(job)(ErrStopped)
		releases.Go(func() { w.settle(job, "release", nil, 0) })
	}
	releases.Wait()
	os.Exit(0)
}
