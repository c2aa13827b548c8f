// The adapter of the conformance suite: requests on standard input, answers on standard output.
package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	jobwire "jobwire.example/worker"
)

type object = map[string]any

var operations = map[string]func(request object) (object, error){
	"hello":   hello,
	"decode":  decode,
	"encode":  encode,
	"delay":   delay,
	"enqueue": enqueue,
	"wait":    wait,
	"cancel":  cancel,
}

var producer = sync.OnceValues(func() (*jobwire.Producer, error) {
	settings := jobwire.FromEnvironment()
	return jobwire.NewProducer(settings.URL, settings.Namespace)
})

func hello(object) (object, error) {
	return object{
		"name": "jobwire-go", "version": "1.0.0", "spec": "1.0",
		"roles": []string{"codec", "producer", "worker"}, "profiles": []string{"core", "cancel", "progress", "workflow"},
	}, nil
}

func decode(request object) (object, error) {
	data, err := base64.StdEncoding.DecodeString(request["bytes"].(string))
	if err != nil {
		return nil, err
	}
	job, _, err := jobwire.Decode(data)
	if err != nil {
		return nil, err
	}
	return object{"job": jobwire.WithDefaults(job)}, nil
}

func encode(request object) (object, error) {
	job, err := jobwire.Envelope(request["job"].(object))
	if err != nil {
		return nil, err
	}
	data, err := jobwire.Write(job, request["format"].(string))
	return object{"bytes": base64.StdEncoding.EncodeToString(data)}, err
}

func delay(request object) (object, error) {
	low, high := jobwire.PolicyOf(request["retry"]).DelayRange(int(request["attempt"].(float64)))
	return object{"ms": []int64{low, high}}, nil
}

func enqueue(request object) (object, error) {
	producer, err := producer()
	if err != nil {
		return nil, err
	}
	encoding, _ := request["format"].(string)
	status, err := producer.Enqueue(context.Background(), request["job"].(object), encoding)
	return object{"status": status}, err
}

func wait(request object) (object, error) {
	producer, err := producer()
	if err != nil {
		return nil, err
	}
	limit := time.Duration(request["timeout_ms"].(float64)) * time.Millisecond
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var jobs []jobwire.Reference
	for _, job := range request["jobs"].([]any) {
		jobs = append(jobs, reference(job.(object)))
	}
	outcome, err := producer.Wait(ctx, jobs...)
	switch {
	case errors.Is(err, jobwire.ErrGone):
		return object{"gone": true}, nil
	case ctx.Err() != nil:
		return object{"timeout": true}, nil
	}
	return object{"outcome": outcome}, err
}

func cancel(request object) (object, error) {
	producer, err := producer()
	if err != nil {
		return nil, err
	}
	status, err := producer.Cancel(context.Background(), reference(request))
	return object{"status": status}, err
}

func reference(job object) jobwire.Reference {
	return jobwire.Reference{Queue: job["queue"].(string), ID: job["id"].(string)}
}

func answer(request object) object {
	operation, known := operations[request["op"].(string)]
	if !known {
		return object{"unsupported": true}
	}
	reply, err := operation(request)
	var rejected *jobwire.Rejected
	switch {
	case errors.As(err, &rejected):
		return object{"error": object{"code": rejected.Code, "field": rejected.Field}}
	case errors.Is(err, jobwire.ErrUnwritable), errors.Is(err, jobwire.ErrTooLarge):
		return object{"error": object{"code": "invalid"}}
	case err != nil:
		return object{"failed": err.Error()}
	}
	return reply
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	var mutex sync.Mutex
	var pending sync.WaitGroup
	for lines.Scan() {
		var request object
		if err := json.Unmarshal(lines.Bytes(), &request); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		pending.Go(func() {
			reply := answer(request)
			reply["ref"] = request["ref"]
			text, err := json.Marshal(reply)
			if err != nil {
				text, _ = json.Marshal(object{"ref": request["ref"], "failed": err.Error()})
			}
			mutex.Lock()
			defer mutex.Unlock()
			fmt.Println(string(text))
		})
	}
	pending.Wait()
}
