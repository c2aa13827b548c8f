// Jobwire's worker and producer in Go; example.py says how it is called.
package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	jobwire "jobwire.example/worker"
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func about() {
	build, _ := debug.ReadBuildInfo()
	for _, module := range build.Deps {
		if module.Path == "github.com/redis/go-redis/v9" {
			fmt.Printf("go-redis %s, %s\n", strings.TrimPrefix(module.Version, "v"), runtime.Version())
		}
	}
}

// The first call makes the connection and loads the scripts: it is not timed, the time of the others is scaled to all.
func one() {
	jobs, encoding := must(jobwire.NewProducer(os.Getenv("JOBWIRE_REDIS_URL"), "jobwire")), os.Getenv("BENCH_ENCODING")
	count, payload := must(strconv.Atoi(os.Getenv("BENCH_COUNT"))), must(strconv.Atoi(os.Getenv("BENCH_PAYLOAD")))
	began := time.Time{}
	for i := range count {
		args := []any{i, 1}
		if payload > 0 {
			args = append(args, strings.Repeat("x", payload))
		}
		job := map[string]any{"id": rand.Text(), "type": "add", "args": args}
		if status := must(jobs.Enqueue(context.Background(), job, encoding)); status != "accepted" {
			log.Fatal("expected accepted, got ", status)
		}
		if i == 0 {
			began = time.Now()
		}
	}
	fmt.Printf("{\"seconds\": %f}\n", time.Since(began).Seconds()*float64(count)/float64(count-1))
}

func stamper() func() {
	path := os.Getenv("BENCH_STAMPS")
	if path == "" {
		return func() {}
	}
	file := must(os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644))
	return func() {
		must(file.Write(binary.LittleEndian.AppendUint64(nil, uint64(time.Now().UnixNano()))))
	}
}

func work() {
	stamp := stamper()
	handlers := map[string]jobwire.Handler{
		"add": func(_ context.Context, _ jobwire.Run, args []any, _ map[string]any) (any, error) {
			stamp()
			return args[0].(float64) + args[1].(float64), nil
		},
		"nap": func(_ context.Context, _ jobwire.Run, args []any, _ map[string]any) (any, error) {
			time.Sleep(time.Duration(args[0].(float64) * float64(time.Second)))
			stamp()
			return nil, nil
		},
	}
	must(jobwire.NewWorker(jobwire.FromEnvironment(), handlers)).Main(func() {})
}

func main() {
	map[string]func(){"about": about, "one": one, "worker": work}[os.Args[1]]()
}
