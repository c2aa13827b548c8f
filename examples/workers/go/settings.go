package jobwire

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Settings of a worker.
type Settings struct {
	URL, Namespace string
	Queues         []string
	Concurrency    int // at most 1000
	Lease, Grace   time.Duration
	Name           string
	HideStack      bool // keep stack traces out of outcomes [SEC-2]
}

// FromEnvironment reads JOBWIRE_REDIS_URL and its like; the README has the defaults.
func FromEnvironment() Settings {
	host, _ := os.Hostname()
	return Settings{
		URL: setting("REDIS_URL", "redis://localhost:6379/0"), Namespace: setting("NAMESPACE", "jobwire"),
		Queues: strings.Split(setting("QUEUES", "default"), ","), Concurrency: count("CONCURRENCY", 8),
		Lease: milliseconds("LEASE_MS", 15000), Grace: milliseconds("GRACE_MS", 25000),
		Name: setting("WORKER", fmt.Sprintf("%s-%d", host, os.Getpid())), HideStack: setting("STACK", "on") == "off",
	}
}

func setting(name, otherwise string) string {
	if value := os.Getenv("JOBWIRE_" + name); value != "" {
		return value
	}
	return otherwise
}

func count(name string, otherwise int) int {
	value, err := strconv.Atoi(setting(name, strconv.Itoa(otherwise)))
	if err != nil {
		panic(fmt.Sprintf("JOBWIRE_%s: expected a number, got %q", name, setting(name, "")))
	}
	return value
}

func milliseconds(name string, otherwise int) time.Duration {
	return time.Duration(count(name, otherwise)) * time.Millisecond
}
