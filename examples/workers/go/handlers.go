package jobwire

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// Handler runs a job. Its result is nil, a bool, a number (int, int64, float64), a string, []any or map[string]any.
// ctx ends when the handler is told to stop; context.Cause says why.
type Handler func(ctx context.Context, run Run, args []any, kwargs map[string]any) (any, error)

// Run is what a handler knows about its run.
type Run struct {
	ID, Type     string
	Attempt, Run int64
	// Progress reports progress, an object of at most 65536 bytes, and tells whether it was taken. [OUT-7]
	Progress func(value any) bool
}

// Why a handler is told to stop.
var (
	ErrCancelled = errors.New("cancel")
	ErrTimeout   = errors.New("timeout")
	ErrLost      = errors.New("lost")
	ErrStopped   = errors.New("stop")
)

// Error is an error with the application's name for it; one that is final is not retried.
type Error struct {
	Type, Message string
	Details       any
	Final         bool
}

func (e *Error) Error() string { return e.Message }

func (w *Worker) context(job *job) Run {
	return Run{
		ID: job.id, Type: job.envelope["type"].(string), Attempt: job.attempt, Run: job.run,
		Progress: func(value any) bool {
			object, ok := value.(Fields)
			data, err := Write(object, job.encoding)
			if !ok || err != nil || len(data) > 65536 {
				return false
			}
			w.locked(func() { job.progress = data })
			return true
		},
	}
}

// call runs a handler and returns its result or what went wrong, a panic and a Goexit among that. [RUN-15]
func call(ctx context.Context, handler Handler, run Run, envelope Fields, hideStack bool) (result any, problem *Problem) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		problem = &Problem{Code: "handler_error", Message: "the handler ended its goroutine", Type: "Goexit"}
		defer func() {
			if cause := recover(); cause != nil {
				problem = &Problem{Code: "handler_error", Message: fmt.Sprint(cause), Type: "panic", Stack: string(debug.Stack())}
			}
			if hideStack {
				problem = withoutStack(problem)
			}
		}()
		args, _ := envelope["args"].([]any)
		kwargs, _ := envelope["kwargs"].(Fields)
		var err error
		result, err = handler(ctx, run, args, kwargs)
		problem = problemOf(err)
	}()
	<-done
	return result, problem
}

func withoutStack(problem *Problem) *Problem {
	if problem != nil {
		problem.Stack = ""
	}
	return problem
}

func problemOf(err error) *Problem {
	var named *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &named):
		return &Problem{Code: "handler_error", Message: err.Error(), Type: named.Type, Details: named.Details, Final: named.Final}
	}
	return &Problem{Code: "handler_error", Message: err.Error(), Type: fmt.Sprintf("%T", err)}
}
