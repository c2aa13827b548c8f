package jobwire

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Reference names a job.
type Reference struct{ Queue, ID string }

// ErrGone says that the outcome of a job is not kept any more.
var ErrGone = fmt.Errorf("the outcome is gone")

// Producer enqueues jobs of one namespace and waits for their outcomes.
type Producer struct {
	scripts   *scripts
	loading   sync.Once
	confirmed sync.Map
}

// NewProducer returns a producer; it connects with its first call.
func NewProducer(url, namespace string) (*Producer, error) {
	scripts, err := newScripts(url, namespace, false)
	return &Producer{scripts: scripts}, err
}

// Enqueue enqueues a job and returns accepted, duplicate, finished, failed or refused.
// Members that are left out have their defaults. It returns *Rejected, ErrUnwritable or ErrTooLarge
// for a job that is none. [PROD-1..5]
func (p *Producer) Enqueue(ctx context.Context, job Fields, encoding string) (string, error) {
	envelope, err := Envelope(job)
	if err != nil {
		return "", err
	}
	arguments, err := enqueueArguments(envelope, encoding)
	if err != nil {
		return "", err
	}
	reference := Reference{envelope["queue"].(string), envelope["id"].(string)}
	reply, resent, err := p.call(ctx, "enqueue", reference, arguments...)
	if err != nil {
		return "", err
	}
	status := reply[1].(string)
	if status != "refused" {
		p.confirmed.Store(reference, true)
	}
	// Sent twice: it was perhaps the first that counted. [PROD-4]
	if resent && slices.Contains([]string{"duplicate", "finished", "failed"}, status) {
		return "accepted", nil
	}
	return status, nil
}

// Envelope returns a job as an envelope: checked, what is null left out, jobwire and queue filled in.
func Envelope(job Fields) (Fields, error) {
	envelope := Fields{"jobwire": "1.0", "queue": "default"}
	for name, member := range job {
		if member != nil {
			envelope[name] = member
		}
	}
	// By way of bytes, so that a caller's int is a number like any other.
	data, err := Write(envelope, "json")
	if err != nil {
		return nil, err
	}
	if envelope, _, err = Decode(data); err != nil {
		return nil, err
	}
	return withoutNulls(envelope), nil
}

// Cancel asks a job to stop: cancelled, requested, finished or unknown.
func (p *Producer) Cancel(ctx context.Context, job Reference) (string, error) {
	outcome := Fields{"jobwire": "1.0", "id": job.ID, "state": "cancelled", "attempt": 0, "finished_at": time.Now().UnixMilli()}
	document := writeError(outcome, Problem{Code: "cancelled", Message: "cancelled by its producer"}, "json")
	reply, resent, err := p.call(ctx, "cancel", job, job.ID, document, 3600000)
	if err != nil {
		return "", err
	}
	if resent && reply[1] == "finished" {
		return "cancelled", nil
	}
	return reply[1].(string), nil
}

// Wait returns the outcome of a job, or of a workflow: all its ids, first to last.
// It returns ErrGone, or context.DeadlineExceeded. [WAIT-1..5] [FLOW-16..18]
func (p *Producer) Wait(ctx context.Context, jobs ...Reference) (Fields, error) {
	channels := make([]string, len(jobs))
	seen := false
	for index, job := range jobs {
		channels[index] = p.scripts.key(job.Queue, "result:"+job.ID)
		_, confirmed := p.confirmed.Load(job)
		seen = seen || confirmed
	}
	// Without the right to subscribe it goes on by looking. [WAIT-2]
	subscription := p.scripts.client.SSubscribe(ctx, channels...)
	defer subscription.Close()
	pushes := subscription.Channel()
	for {
		outcome, known, err := p.round(ctx, jobs, seen)
		if outcome != nil || err != nil {
			return outcome, err
		}
		seen = seen || known
		select {
		case <-pushes:
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// round looks at all jobs once, first to last.
func (p *Producer) round(ctx context.Context, jobs []Reference, seen bool) (outcome Fields, known bool, err error) {
	for index, job := range jobs {
		reply, _, err := p.call(ctx, "look", job, job.ID)
		if err != nil {
			return nil, known, err
		}
		state, document := reply[1].(string), reply[3].(string)
		known = known || state != "unknown"
		if state != "finished" && state != "failed" {
			continue
		}
		outcome, err := ReadOutcome([]byte(document))
		// Another than the last ends the wait only by not succeeding. [FLOW-17]
		if err != nil || index == len(jobs)-1 || outcome["state"] != "succeeded" {
			return outcome, true, err
		}
	}
	if !known && seen {
		return nil, false, ErrGone
	}
	return nil, known, nil
}

// Close closes the connections.
func (p *Producer) Close() error { return p.scripts.client.Close() }

func (p *Producer) call(ctx context.Context, name string, job Reference, arguments ...any) ([]any, bool, error) {
	p.loading.Do(func() { _ = p.scripts.load(ctx) }) // what fails here, a call finds out
	return p.scripts.call(ctx, name, p.scripts.keys(job.Queue, job.ID), arguments...)
}

// Result returns the result of a succeeded job's outcome, or its error.
func Result(outcome Fields) (any, error) {
	if problem, ok := outcome["error"].(Fields); ok {
		return nil, fmt.Errorf("%s: %v", strings.ToUpper(outcome["state"].(string)[:1])+outcome["state"].(string)[1:], problem["message"])
	}
	return outcome["result"], nil
}
