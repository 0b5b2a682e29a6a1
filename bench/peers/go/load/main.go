// A generator of load for gRPC checks, and for HTTP through Envoy: closed loop (as fast as the server answers), or
// open loop (at a fixed rate, latency from the moment at which a request was due: coordinated omission is in it).
//
//	load -address unix:/run/x.sock -requests warm.frames -connections 2 -streams 16 -seconds 4
//	load -address 127.0.0.1:8080 -path /api/x -tokens tokens.txt -rate 1000 -seconds 10
//
// One JSON object on stdout. Exit status 1 if the connection broke or nothing was answered.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2/hpack"
	"golang.org/x/sys/unix"
)

var (
	address     = flag.String("address", "", "host:port or unix:/path")
	requests    = flag.String("requests", "", "a file of gRPC frames, asked in order and over again")
	path        = flag.String("path", "", "HTTP instead of gRPC: GET this path, with the tokens of -tokens")
	tokens      = flag.String("tokens", "", "a file of tokens, one a line")
	header      = flag.String("header", "", "name: value, on every request")
	connections = flag.Int("connections", 2, "connections")
	streams     = flag.Int("streams", 16, "requests in flight on each connection (closed loop)")
	rate        = flag.Float64("rate", 0, "requests a second (open loop); 0 is a closed loop")
	seconds     = flag.Float64("seconds", 4, "how long")
	count       = flag.Int("count", 0, "instead of -seconds: so many requests")
)

const patience = 15 * time.Second // for the next answer

type run struct {
	questions []question
	next      atomic.Int64
	limit     int64
	ends      time.Time
	flying    atomic.Int64
	lock      sync.Mutex
	tally     tally
	closed    bool
	idle      chan struct{}
	over      atomic.Bool
}

// take is the next question; false when enough were asked.
func (r *run) take(now time.Time) (question, bool) {
	if r.limit == 0 && now.After(r.ends) {
		return question{}, false
	}
	number := r.next.Add(1) - 1
	if r.limit > 0 && number >= r.limit {
		return question{}, false
	}
	r.flying.Add(1)
	return r.questions[number%int64(len(r.questions))], true
}

func (r *run) done(c *connection, found stream, now time.Time) {
	r.lock.Lock()
	switch {
	case found.fails:
		r.tally.failed++
	case c.grpc && allows(found.answer), !c.grpc && found.status == "200":
		r.tally.allowed++
	case !c.grpc && strings.HasPrefix(found.status, "5"):
		r.tally.failed++
	default:
		r.tally.denied++
	}
	r.tally.latencies = append(r.tally.latencies, now.Sub(found.due))
	r.lock.Unlock()
	if r.closed {
		r.again(c, now)
	}
	if r.flying.Add(-1) == 0 && (r.closed || r.over.Load()) {
		close(r.idle)
	}
}

// again asks the next question on a connection whose reader calls it, so it may not wait for room.
func (r *run) again(c *connection, now time.Time) {
	asked, more := r.take(now)
	if more && !c.ask(asked, time.Now(), false, false) {
		go c.ask(asked, time.Now(), true, true)
	}
}

// pace sends at a fixed rate, from a thread of its own that sleeps by the kernel's clock: Go's timers wake up to a
// millisecond late.
func (r *run) pace(all []*connection) {
	runtime.LockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	began, interval := time.Now(), time.Duration(float64(time.Second) / *rate)
	for number := 0; ; number++ {
		due := began.Add(time.Duration(number) * interval)
		if wait := time.Until(due); wait > 0 {
			left := unix.NsecToTimespec(wait.Nanoseconds())
			_ = unix.Nanosleep(&left, nil)
		}
		asked, more := r.take(due)
		if !more {
			break
		}
		lag := time.Since(due)
		all[number%len(all)].ask(asked, due, true, true)
		r.lock.Lock()
		r.tally.lags = append(r.tally.lags, lag)
		r.lock.Unlock()
	}
	// One more that is in flight until now, so that nobody else sees the last of them land.
	r.flying.Add(1)
	r.over.Store(true)
	if r.flying.Add(-1) == 0 {
		close(r.idle)
	}
}

func fields(grpc bool) []hpack.HeaderField {
	found := []hpack.HeaderField{{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "http"}}
	if grpc {
		found = []hpack.HeaderField{
			{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"},
			{Name: ":path", Value: "/envoy.service.auth.v3.Authorization/Check"},
			{Name: ":authority", Value: "scopegate"}, {Name: "content-type", Value: "application/grpc"},
			{Name: "te", Value: "trailers"},
		}
	} else {
		found = append(found, hpack.HeaderField{Name: ":path", Value: *path},
			hpack.HeaderField{Name: ":authority", Value: "warehouse.example"},
			hpack.HeaderField{Name: "user-agent", Value: "Tableau/2026.3"},
			hpack.HeaderField{Name: "accept", Value: "application/json"},
			hpack.HeaderField{Name: "accept-encoding", Value: "gzip, deflate, br"},
			hpack.HeaderField{Name: "accept-language", Value: "en-GB,en;q=0.9"})
	}
	if name, value, has := strings.Cut(*header, ": "); has {
		found = append(found, hpack.HeaderField{Name: name, Value: value})
	}
	return found
}

func questions() ([]question, error) {
	if *path == "" {
		return frames(*requests)
	}
	if *tokens == "" {
		return []question{{}}, nil
	}
	text, err := os.ReadFile(*tokens)
	if err != nil {
		return nil, err
	}
	var found []question
	for _, token := range strings.Fields(string(text)) {
		found = append(found, question{fields: []hpack.HeaderField{{Name: "authorization", Value: "Bearer " + token}}})
	}
	if len(found) == 1 {
		// The same for all: a connection need not encode it anew.
		return []question{{fields: found[0].fields}}, nil
	}
	return found, nil
}

func main() {
	flag.Parse()
	asked, err := questions()
	if err != nil {
		log.Fatal(err)
	}
	made := &run{questions: asked, limit: int64(*count), closed: *rate == 0, idle: make(chan struct{})}
	all := make([]*connection, *connections)
	for number := range all {
		if all[number], err = dial(*address, fields(*path == ""), *path == "", made.done); err != nil {
			log.Fatal(err)
		}
	}
	broken := make(chan error, len(all))
	began := time.Now()
	made.ends = began.Add(time.Duration(*seconds * float64(time.Second)))
	made.start(all, broken)
	made.wait(broken)
	report := made.tally.report(time.Since(began).Seconds())
	if text, err := json.Marshal(report); err == nil {
		fmt.Println(string(text))
	}
	if made.tally.allowed+made.tally.denied == 0 {
		os.Exit(1)
	}
}

// wait returns when all is answered. A server may be slow, but not silent.
func (r *run) wait(broken <-chan error) {
	heard, since := 0, time.Now()
	for {
		select {
		case <-r.idle:
			return
		case err := <-broken:
			log.Fatalf("the connection broke: %v", err)
		case <-time.After(time.Second):
			r.lock.Lock()
			now := len(r.tally.latencies)
			r.lock.Unlock()
			if now > heard {
				heard, since = now, time.Now()
			} else if time.Since(since) > patience {
				log.Fatalf("no answer for %v, %d are missing", patience, r.flying.Load())
			}
		}
	}
}

func (r *run) start(all []*connection, broken chan<- error) {
	r.flying.Add(1)
	for _, each := range all {
		each.broken = broken
		go each.follow()
	}
	if !r.closed {
		r.flying.Add(-1)
		go r.pace(all)
		return
	}
	for _, each := range all {
		for range *streams {
			if asked, more := r.take(time.Now()); more {
				each.ask(asked, time.Now(), false, true)
			}
		}
		each.flush()
	}
	if r.flying.Add(-1) == 0 {
		close(r.idle)
	}
}
