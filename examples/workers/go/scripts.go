package jobwire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

var names = []string{"jobs", "record", "ready", "scheduled", "active", "failed", "outcomes", "progress", "control", "wake"}

// An error of the server that is not of the moment. [CALL-7] [CALL-8]
var passing = regexp.MustCompile(`^(READONLY|LOADING|TRYAGAIN|CLUSTERDOWN|MOVED|ASK|UNBLOCKED)\b`)

// scripts calls the scripts of one namespace. SPEC.md section 7.
type scripts struct {
	client      *redis.Client
	namespace   string
	loaded      map[string]*redis.Script
	interrupted atomic.Bool // a connection was lost
	patient     bool        // goes on at every error that is not its own fault [CALL-9]
}

func newScripts(url, namespace string, patient bool) (*scripts, error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		return nil, err
	}
	// Who calls decides what is sent again.
	options.MaxRetries, options.Protocol, options.DisableIndentity, options.ReadTimeout = -1, 2, true, 10*time.Second
	s := &scripts{client: redis.NewClient(options), namespace: namespace, patient: patient, loaded: map[string]*redis.Script{}}
	files, err := filepath.Glob(filepath.Join(folder(), "*.lua"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("expected scripts in %s (JOBWIRE_LUA)", folder())
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		s.loaded[strings.TrimSuffix(filepath.Base(file), ".lua")] = redis.NewScript(string(text))
	}
	return s, nil
}

func folder() string {
	if named := os.Getenv("JOBWIRE_LUA"); named != "" {
		return named
	}
	_, source, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(source), "../../../lua")
}

func (s *scripts) key(queue, name string) string {
	return s.namespace + ":{" + queue + "}:" + name
}

// keys returns the keys of a call, with a result key for each id.
func (s *scripts) keys(queue string, ids ...string) []string {
	keys := make([]string, 0, len(names)+len(ids))
	for _, name := range names {
		keys = append(keys, s.key(queue, name))
	}
	for _, id := range ids {
		keys = append(keys, s.key(queue, "result:"+id))
	}
	return keys
}

// load loads all scripts. [CALL-1]
func (s *scripts) load(ctx context.Context) error {
	pipe := s.client.Pipeline()
	for _, script := range s.loaded {
		script.Load(ctx, pipe)
	}
	_, err := pipe.Exec(ctx)
	return err
}

// once sends a call one time, and loads scripts that the server has forgotten. [CALL-2]
func (s *scripts) once(ctx context.Context, name string, keys []string, args ...any) ([]any, error) {
	reply, err := s.loaded[name].EvalSha(ctx, s.client, keys, args...).Slice()
	if err != nil && strings.HasPrefix(err.Error(), "NOSCRIPT") {
		if err = s.load(ctx); err == nil {
			return s.once(ctx, name, keys, args...)
		}
	}
	if err != nil && !isReply(err) {
		s.interrupted.Store(true)
	}
	return reply, err
}

// call sends a call until it is answered; resent tells that an earlier one was perhaps executed.
func (s *scripts) call(ctx context.Context, name string, keys []string, args ...any) (reply []any, resent bool, err error) {
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		reply, err = s.once(ctx, name, keys, args...)
		if err == nil || fatal(err) || !s.patient && isReply(err) && !passing.MatchString(err.Error()) || ctx.Err() != nil {
			return reply, resent, err
		}
		slog.Warn("sending again", "script", name, "error", err)
		resent = true
		time.Sleep(wait/2 + rand.N(wait/2))
	}
}

// fatal tells an error that sending again does not mend. [CALL-5] [CALL-6]
func fatal(err error) bool {
	return strings.HasPrefix(err.Error(), "JOBWIRE_")
}

func isReply(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}

// join stores the outcome of a member; once all are there it returns them in order. [FLOW-8] [FLOW-19]
func (s *scripts) join(join Fields, document []byte) (any, bool, error) {
	key := s.key(join["then"].([]any)[0].(Fields)["queue"].(string), "join:"+join["group"].(string))
	ttlMs := integerOf(join, "ttl_ms", 2592000000)
	reply, _, err := s.call(context.Background(), "join", []string{key}, integerOf(join, "index", 0), integerOf(join, "size", 0), document, ttlMs)
	if err != nil {
		return nil, false, &Rejected{Code: "invalid", Field: "join.size", Message: err.Error()}
	}
	if reply[1] == int64(-1) {
		return nil, false, ErrTooLarge
	}
	members := []any{}
	for _, value := range reply[3:] {
		member, _, err := Read([]byte(value.(string)))
		if err != nil {
			return nil, false, err
		}
		members = append(members, member)
	}
	return members, reply[1] == reply[2], nil
}

// pass enqueues the next job of a workflow. [FLOW-11]
func (s *scripts) pass(next Fields, encoding string) error {
	arguments, err := enqueueArguments(next, encoding)
	if err != nil {
		return err
	}
	reply, _, err := s.call(context.Background(), "pass", s.keys(next["queue"].(string), next["id"].(string)), arguments...)
	if err == nil && reply[1] == "refused" {
		return ErrTooLarge
	}
	return err
}
