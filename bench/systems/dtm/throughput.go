package main

import (
	"fmt"
	"math"
	"math/rand"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// The server tries a message again after 10 s, then 20 s: what has not come in this time without any receipt is missing.
const quietBeforeMissing = 35 * time.Second

// A server that is gone refuses at once; without a pause the load would do nothing but fail.
const pauseAfterFailure = 100 * time.Millisecond

type cell struct {
	InFlight      int
	WarmUpSeconds float64
	Seconds       float64
	PayloadBytes  int
	LocalMs       *struct{ Min, Max float64 }
}

type message struct {
	submittedAt time.Time
	seenAt      time.Time
	accepted    bool
}

// round is one stretch of load, the warm-up or the measured one.
type round struct {
	name string
	mu   sync.Mutex
	// By id.
	messages                           map[string]*message
	accepted, seen, duplicates         int
	failed, outstanding                int
	prepare, submit, calls             []time.Duration
	firstSend, lastReturn, lastReceipt time.Time
}

func newRound(name string) *round { return &round{name: name, messages: map[string]*message{}} }

func measureThroughput(server string, cell cell) error {
	var current atomic.Pointer[round]
	sink, err := listen(func(c call) {
		if c.path == branchPath {
			current.Load().receive(c)
		}
	})
	if err != nil {
		return err
	}
	if cell.WarmUpSeconds > 0 {
		warmUp := newRound("w")
		current.Store(warmUp)
		warmUp.send(server, sink, cell, cell.WarmUpSeconds)
		// What the warm-up left behind would be work for the measured time.
		warmUp.drain()
	}
	measured := newRound("m")
	current.Store(measured)
	if err := report("measuring", nil); err != nil {
		return err
	}
	measured.send(server, sink, cell, cell.Seconds)
	measured.drain()
	return report("result", measured.result())
}

// send keeps so many transactions under way until the time is over, and returns when the calls of the last one have.
func (r *round) send(server, sink string, cell cell, seconds float64) {
	payload := quotedPayload(cell.PayloadBytes)
	var number atomic.Int64
	var workers sync.WaitGroup
	r.firstSend = time.Now()
	end := r.firstSend.Add(time.Duration(seconds * float64(time.Second)))
	for range cell.InFlight {
		workers.Add(1)
		go func() {
			defer workers.Done()
			c := &client{server: server}
			defer c.close()
			for time.Now().Before(end) {
				id := identifier(r.name, number.Add(1))
				body := messageBody(id, payload, sink+branchPath, sink+checkPath, "")
				if err := r.transact(c, id, body, cell); err != nil {
					r.fail(err)
				}
			}
		}()
	}
	workers.Wait()
	r.lastReturn = time.Now()
}

func (r *round) transact(c *client, id, body string, cell cell) error {
	start := time.Now()
	if err := c.post(preparePath, body); err != nil {
		return err
	}
	prepare := time.Since(start)
	if local := cell.LocalMs; local != nil {
		time.Sleep(time.Duration((local.Min + rand.Float64()*(local.Max-local.Min)) * float64(time.Millisecond)))
	}
	submitting := &message{submittedAt: time.Now()}
	r.mu.Lock()
	r.messages[id] = submitting
	r.mu.Unlock()
	if err := c.post(submitPath, body); err != nil {
		return err
	}
	submit := time.Since(submitting.submittedAt)
	r.mu.Lock()
	defer r.mu.Unlock()
	submitting.accepted = true
	r.accepted++
	if submitting.seenAt.IsZero() {
		r.outstanding++
	}
	r.prepare, r.submit, r.calls = append(r.prepare, prepare), append(r.submit, submit), append(r.calls, prepare+submit)
	return nil
}

func (r *round) fail(err error) {
	r.mu.Lock()
	r.failed++
	first := r.failed == 1
	r.mu.Unlock()
	if first {
		fmt.Fprintln(os.Stderr, "the first failure:", err)
	}
	time.Sleep(pauseAfterFailure)
}

func (r *round) receive(c call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	received, known := r.messages[c.id]
	if !known {
		return
	}
	if !received.seenAt.IsZero() {
		r.duplicates++
		return
	}
	received.seenAt = c.at
	r.seen++
	r.lastReceipt = c.at
	if received.accepted {
		r.outstanding--
	}
}

// drain waits until every accepted message was seen, or nothing came for long.
func (r *round) drain() {
	for {
		r.mu.Lock()
		outstanding, last := r.outstanding, r.lastReceipt
		r.mu.Unlock()
		if last.Before(r.lastReturn) {
			last = r.lastReturn
		}
		if outstanding == 0 || time.Since(last) > quietBeforeMissing {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// result has the members of the harness's table of throughput, except for the use of the machine.
func (r *round) result() map[string]any {
	r.mu.Lock()
	defer r.mu.Unlock()
	endToEnd := make([]time.Duration, 0, r.seen)
	for _, m := range r.messages {
		if !m.seenAt.IsZero() {
			endToEnd = append(endToEnd, m.seenAt.Sub(m.submittedAt))
		}
	}
	return map[string]any{
		"completePerSecond": perSecond(r.seen, r.lastReceipt.Sub(r.firstSend)),
		"acceptedPerSecond": perSecond(r.accepted, r.lastReturn.Sub(r.firstSend)),
		"callMs":            spread(r.calls),
		"prepareMs":         spread(r.prepare),
		"commitMs":          spread(r.submit),
		"endToEndMs":        spread(endToEnd),
		"accepted":          r.accepted,
		"seen":              r.seen,
		"missing":           r.outstanding,
		"duplicates":        r.duplicates,
		"failed":            r.failed,
	}
}

func perSecond(count int, over time.Duration) float64 {
	if count == 0 {
		return 0
	}
	return math.Round(float64(count)/over.Seconds()*10) / 10
}

// Nearest rank, as the harness counts for the other systems.
func spread(durations []time.Duration) map[string]float64 {
	slices.Sort(durations)
	at := func(share float64) float64 {
		if len(durations) == 0 {
			return 0
		}
		rank := int(math.Ceil(share * float64(len(durations))))
		return float64(durations[rank-1].Microseconds()) / 1000
	}
	return map[string]float64{"p50": at(0.5), "p99": at(0.99), "max": at(1)}
}
