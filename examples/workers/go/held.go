package jobwire

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// job is one claimed job, until its settle is answered.
type job struct {
	queue, id, token string
	attempt, run     int64
	taken            bool
	document, bytes  []byte
	envelope         Fields
	encoding         string
	over             bool
	cancelled        atomic.Bool
	ended            atomic.Bool // its handler returned, or will not be listened to
	decided          atomic.Bool // it waits to be handed over
	progress         []byte
	tell             context.CancelCauseFunc
}

var verbs = map[any]string{"succeeded": "succeed", "failed": "fail", "cancelled": "cancel", "expired": "expire"}

func newJob(queue string, taken bool, part []any) *job {
	token := part[1].(string)
	run, _ := strconv.ParseInt(strings.Split(token, ".")[0], 10, 64)
	return &job{
		queue: queue, id: part[0].(string), token: token, attempt: part[2].(int64), run: run, taken: taken, encoding: "json",
		document: []byte(part[3].(string)), bytes: []byte(part[4].(string)), envelope: Fields{}, tell: func(error) {},
	}
}

func (w *Worker) outcome(job *job, state string) Fields {
	return Fields{"jobwire": "1.0", "id": job.id, "state": state, "attempt": job.attempt, "worker": w.Name, "finished_at": time.Now().UnixMilli()}
}

func (w *Worker) fail(job *job, problem Problem) {
	w.settle(job, "fail", writeError(w.outcome(job, "failed"), problem, job.encoding), 0)
}

func (w *Worker) cancel(job *job) {
	problem := Problem{Code: "cancelled", Message: "a cancel was requested"}
	w.settle(job, "cancel", writeError(w.outcome(job, "cancelled"), problem, job.encoding), ttl(job))
}

// ttl is how long the outcome is kept; a step's for an hour, so that handing it over again finds it. [RUN-11]
func ttl(job *job) int64 {
	kept := integerOf(job.envelope, "result_ttl_ms", 600000)
	if job.envelope["parent_id"] != nil {
		return max(kept, 3600000)
	}
	return kept
}

// rescue is 1 unless a job that was taken over is still held. [CLAIM-3] [CLAIM-4]
func (w *Worker) rescue() int {
	for _, job := range w.holds() {
		if job.taken && !job.decided.Load() {
			return 0
		}
	}
	return 1
}

// room returns how many slots are free.
func (w *Worker) room() int {
	return w.Concurrency - int(w.running.Load())
}

// waitForRoom waits until a slot is free, or the worker stops.
func (w *Worker) waitForRoom() {
	for w.room() == 0 && !w.stopping.Load() {
		<-w.freed
	}
}

func (w *Worker) free() {
	select {
	case w.freed <- struct{}{}:
	default:
	}
}

func (w *Worker) lose(job *job, perhapsMine bool) {
	var held bool
	w.locked(func() {
		held = w.held[job]
		delete(w.held, job)
		job.over = true
	})
	if !held {
		return
	}
	w.teller(job)(ErrLost)
	level := slog.LevelWarn
	if perhapsMine {
		level = slog.LevelInfo
	}
	slog.Log(context.Background(), level, "lease lost, outcome dropped", "job", job.id) // [LEASE-3]
}

func (w *Worker) locked(do func()) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	do()
}

func (w *Worker) holds() (jobs []*job) {
	w.locked(func() { jobs = slices.Collect(maps.Keys(w.held)) })
	return jobs
}

func (w *Worker) isOver(job *job) (over bool) {
	w.locked(func() { over = job.over })
	return over
}

func (w *Worker) teller(job *job) (tell context.CancelCauseFunc) {
	w.locked(func() { tell = job.tell })
	return tell
}

// now is the server's time in ms: that of the last claim, and what has passed since.
func (w *Worker) now() (ms int64) {
	w.locked(func() { ms = w.serverMs + time.Since(w.asOf).Milliseconds() })
	return ms
}
