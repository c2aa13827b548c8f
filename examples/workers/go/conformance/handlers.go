// Package conformance has the handlers that the conformance suite asks for.
package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"runtime"
	"strings"
	"time"

	jobwire "jobwire.example/worker"
)

// Handlers returns them by type.
func Handlers() map[string]jobwire.Handler {
	plain := map[string]jobwire.Handler{
		"echo": echo, "add": add, "context": run, "fail": fail, "flaky": flaky, "sleep": sleep, "busy": busy, "barrier": barrier,
		"progress": progress, "until_cancelled": untilCancelled, "big": big, "unserializable": unserializable, "exit": exit,
	}
	handlers := map[string]jobwire.Handler{}
	for name, handler := range plain {
		handlers["conformance."+name] = logged("conformance."+name, handler)
	}
	return handlers
}

type (
	object = map[string]any
	job    = jobwire.Run
)

func echo(_ context.Context, _ job, args []any, kwargs object) (any, error) {
	if args == nil {
		args = []any{}
	}
	if kwargs == nil {
		kwargs = object{}
	}
	return object{"args": args, "kwargs": kwargs}, nil
}

func add(_ context.Context, _ job, args []any, kwargs object) (any, error) {
	if len(args) != 2 || len(kwargs) > 0 {
		return nil, failure("expected two arguments")
	}
	return args[0].(float64) + args[1].(float64), nil
}

func run(_ context.Context, run job, _ []any, _ object) (any, error) {
	return object{"id": run.ID, "attempt": run.Attempt, "run": run.Run}, nil
}

func fail(_ context.Context, _ job, _ []any, kwargs object) (any, error) {
	problem := &jobwire.Error{Type: "ConformanceError", Message: "failed", Details: kwargs["details"]}
	if name, ok := kwargs["type"].(string); ok {
		problem.Type = name
	}
	if message, ok := kwargs["message"].(string); ok {
		problem.Message = message
	}
	if kwargs["broken"] == true {
		problem.Message += "\xff\xfe"
	}
	if kwargs["odd"] == true {
		runtime.Goexit()
	}
	problem.Final = kwargs["final"] == true
	return nil, problem
}

func flaky(_ context.Context, run job, args []any, _ object) (any, error) {
	if float64(run.Attempt) <= args[0].(float64) {
		return nil, failure("not yet")
	}
	return run.Attempt, nil
}

func failure(message string) error {
	return &jobwire.Error{Type: "ConformanceError", Message: message}
}

func milliseconds(value any) time.Duration {
	return time.Duration(value.(float64) * float64(time.Millisecond))
}

func sleep(ctx context.Context, _ job, args []any, _ object) (any, error) {
	select {
	case <-ctx.Done():
		return nil, failure("told: " + context.Cause(ctx).Error())
	case <-time.After(milliseconds(args[0])):
		return args[0], nil
	}
}

func busy(_ context.Context, _ job, args []any, _ object) (any, error) {
	for end := time.Now().Add(milliseconds(args[0])); time.Now().Before(end); {
	}
	return args[0], nil
}

func barrier(_ context.Context, _ job, args []any, _ object) (any, error) {
	await(args[0].(string))
	return "open", nil
}

func await(path string) {
	for _, err := os.Stat(path); err != nil; _, err = os.Stat(path) {
		time.Sleep(10 * time.Millisecond)
	}
}

func progress(_ context.Context, run job, args []any, _ object) (any, error) {
	taken := []any{}
	for _, value := range args[0].([]any) {
		taken = append(taken, run.Progress(value))
	}
	await(args[1].(string))
	return taken, nil
}

func untilCancelled(ctx context.Context, _ job, args []any, _ object) (any, error) {
	<-ctx.Done()
	if args[0] == "return" {
		return "stopped", nil
	}
	return nil, failure("cancelled")
}

func big(_ context.Context, _ job, args []any, _ object) (any, error) {
	return strings.Repeat("x", int(args[0].(float64))), nil
}

func unserializable(_ context.Context, _ job, args []any, _ object) (any, error) {
	switch args[0] {
	case "infinity":
		return math.Inf(1), nil
	case "deep":
		value := []any{}
		for range 39 {
			value = []any{value}
		}
		return value, nil
	}
	return math.NaN(), nil
}

func exit(_ context.Context, _ job, args []any, _ object) (any, error) {
	os.Exit(int(args[0].(float64)))
	return nil, nil
}

func logged(name string, handler jobwire.Handler) jobwire.Handler {
	return func(ctx context.Context, run job, args []any, kwargs object) (any, error) {
		write(object{"event": "start", "type": name}, run)
		defer func() {
			var told any
			for _, reason := range []error{jobwire.ErrCancelled, jobwire.ErrTimeout, jobwire.ErrLost, jobwire.ErrStopped} {
				if errors.Is(context.Cause(ctx), reason) {
					told = reason.Error()
				}
			}
			write(object{"event": "end", "type": name, "told": told}, run)
		}()
		return handler(ctx, run, args, kwargs)
	}
}

func write(line object, run job) {
	line["id"], line["attempt"], line["run"], line["worker"] = run.ID, run.Attempt, run.Run, os.Getenv("JOBWIRE_WORKER")
	line["at"] = float64(time.Now().UnixMicro()) / 1000
	log, err := os.OpenFile(os.Getenv("JOBWIRE_CONFORMANCE_LOG"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return // run by hand, without a log
	}
	defer log.Close()
	text, _ := json.Marshal(line)
	_, _ = log.Write(append(text, '\n'))
}
