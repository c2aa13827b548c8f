// Driver for asynq, a job queue for Go.
//
// The worker of asynq asks for jobs one call after the other and runs each in a goroutine, so that its concurrency
// only has to be high enough to keep that loop busy: 50 does, and 200 is no faster. It polls: an empty queue is looked
// at again after TaskCheckInterval, 1 s by default; 10 ms here, 1 ms in the variant `check1`. Results are kept for ten
// minutes (ResultWriter, Retention). Nothing waits for a result but a poll of Inspector.GetTaskInfo, every 0.5 ms here.
// There is no bulk API: `bulk` is a goroutine for each job of a chunk, as clients may be shared.
package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hibiken/asynq"
)

const (
	queue     = "default"
	retention = 10 * time.Minute
	pollEvery = 500 * time.Microsecond
)

type settings struct {
	concurrency int
	check       time.Duration // TaskCheckInterval
	procs       int           // GOMAXPROCS; 0 is Go's default, all cores
}

var variants = map[string]settings{
	"c10":         {concurrency: 10, check: 10 * time.Millisecond},
	"c50":         {concurrency: 50, check: 10 * time.Millisecond},
	"c200":        {concurrency: 200, check: 10 * time.Millisecond},
	"default":     {concurrency: runtime.NumCPU(), check: time.Second},
	"check1":      {concurrency: 50, check: time.Millisecond},
	"gomaxprocs1": {concurrency: 50, check: 10 * time.Millisecond, procs: 1},
}

type options struct {
	URL       string
	Variant   string
	Payload   int
	Count     int
	Chunk     int
	Warmup    int
	Rate      float64
	Seconds   float64
	Processes int
}

type answer map[string]any

func (o options) redis() asynq.RedisClientOpt {
	return must(asynq.ParseRedisURI(o.URL)).(asynq.RedisClientOpt)
}

func (o options) add(i int) *asynq.Task {
	args := []any{i, 1}
	if o.Payload > 0 {
		args = append(args, strings.Repeat("x", o.Payload))
	}
	return asynq.NewTask("add", must(json.Marshal(args)), asynq.Retention(retention))
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func about(o options) answer {
	versions := map[string]string{}
	build, _ := debug.ReadBuildInfo()
	for _, module := range build.Deps {
		versions[module.Path] = strings.TrimPrefix(module.Version, "v")
	}
	s := variants[o.Variant]
	return answer{
		"version": versions["github.com/hibiken/asynq"],
		"client":  fmt.Sprintf("go-redis %s, %s", versions["github.com/redis/go-redis/v9"], runtime.Version()),
		"settings": fmt.Sprintf("concurrency %d, TaskCheckInterval %v, GOMAXPROCS %d; results kept %v; waits by polling GetTaskInfo every %v",
			s.concurrency, s.check, runtime.GOMAXPROCS(0), retention, pollEvery),
	}
}

// The first calls register the queue and load the scripts: they are no part of a measurement, and leave no job behind.
func warmClient(o options) *asynq.Client {
	client := asynq.NewClient(o.redis())
	info := must(client.Enqueue(o.add(0)))
	if err := asynq.NewInspector(o.redis()).DeleteTask(queue, info.ID); err != nil {
		log.Fatal(err)
	}
	return client
}

func one(o options) answer {
	client := warmClient(o)
	began := time.Now()
	for i := range o.Count {
		must(client.Enqueue(o.add(i)))
	}
	return answer{"seconds": time.Since(began).Seconds()}
}

// enqueue sends the jobs from first on in as many calls at once.
func enqueue(client *asynq.Client, o options, first, size int) {
	var calls sync.WaitGroup
	for i := range size {
		calls.Go(func() { must(client.Enqueue(o.add(first + i))) })
	}
	calls.Wait()
}

func bulk(o options) answer {
	client := warmClient(o)
	began := time.Now()
	for i := 0; i < o.Count; i += o.Chunk {
		enqueue(client, o, i, min(o.Chunk, o.Count-i))
	}
	return answer{"seconds": time.Since(began).Seconds(), "note": "concurrency, not bulk"}
}

func trip(o options) answer {
	client, inspector := asynq.NewClient(o.redis()), asynq.NewInspector(o.redis())
	ms := []float64{}
	for i := range o.Warmup + o.Count {
		began := time.Now()
		info := must(client.Enqueue(o.add(i)))
		for info.State != asynq.TaskStateCompleted {
			time.Sleep(pollEvery)
			info = must(inspector.GetTaskInfo(queue, info.ID))
		}
		if i >= o.Warmup {
			ms = append(ms, time.Since(began).Seconds()*1000)
		}
		if string(info.Result) != strconv.Itoa(i+1) {
			log.Fatalf("expected %d, got %s", i+1, info.Result)
		}
	}
	return answer{"ms": ms}
}

// load sends every 10 ms what is due by then.
func load(o options) answer {
	client := asynq.NewClient(o.redis())
	began, sent := time.Now(), 0
	for passed := 0.0; passed < o.Seconds; passed = time.Since(began).Seconds() {
		due := int(passed*o.Rate) - sent
		enqueue(client, o, sent, due)
		sent += due
		time.Sleep(10 * time.Millisecond)
	}
	return answer{"sent": sent}
}

func nap(o options) answer {
	task := asynq.NewTask("nap", must(json.Marshal(o.Seconds)), asynq.Retention(retention))
	return answer{"id": must(asynq.NewClient(o.redis()).Enqueue(task)).ID}
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

func worker(o options) answer {
	if o.Processes > 1 {
		supervise(o)
		return nil
	}
	s, stamp, jobs := variants[o.Variant], stamper(), asynq.NewServeMux()
	jobs.HandleFunc("add", func(_ context.Context, task *asynq.Task) error {
		stamp()
		var a, b int
		if err := json.Unmarshal(task.Payload(), &[]any{&a, &b}); err != nil {
			return err
		}
		_, err := task.ResultWriter().Write(strconv.AppendInt(nil, int64(a+b), 10))
		return err
	})
	jobs.HandleFunc("nap", func(_ context.Context, task *asynq.Task) error {
		var seconds float64
		if err := json.Unmarshal(task.Payload(), &seconds); err != nil {
			return err
		}
		time.Sleep(time.Duration(seconds * float64(time.Second)))
		stamp()
		return nil
	})
	server := asynq.NewServer(o.redis(), asynq.Config{
		Concurrency:       s.concurrency,
		TaskCheckInterval: s.check,
		LogLevel:          asynq.ErrorLevel,
	})
	if err := server.Run(jobs); err != nil { // returns on SIGTERM
		log.Fatal(err)
	}
	return nil
}

// supervise runs workers in processes of their own, and ends them on SIGTERM.
func supervise(o options) {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	processes := o.Processes
	o.Processes = 1
	children := make([]*exec.Cmd, processes)
	for i := range children {
		children[i] = exec.Command(must(os.Executable()), "worker", string(must(json.Marshal(o))))
		children[i].Stderr = os.Stderr
		if err := children[i].Start(); err != nil {
			log.Fatal(err)
		}
	}
	<-stop
	for _, child := range children {
		_ = child.Process.Signal(syscall.SIGTERM)
		_ = child.Wait()
	}
}

func main() {
	roles := map[string]func(options) answer{
		"about": about, "one": one, "bulk": bulk, "trip": trip, "load": load, "nap": nap, "worker": worker,
	}
	var o options
	if err := json.Unmarshal([]byte(os.Args[2]), &o); err != nil {
		log.Fatal(err)
	}
	if procs := variants[o.Variant].procs; procs > 0 {
		runtime.GOMAXPROCS(procs)
	}
	if result := roles[os.Args[1]](o); result != nil {
		fmt.Println(string(must(json.Marshal(result))))
	}
}
