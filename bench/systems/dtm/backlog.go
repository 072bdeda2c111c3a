package main

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const fillInFlight = 16

// Nothing listens there: the port of the discard service, which no system offers any more.
const refusingCheck = "http://127.0.0.1:9/check"

type backlogOrder struct {
	Transactions    int
	PayloadBytes    int
	HangingPercent  int
	RefusingPercent int
	PatienceSeconds float64
}

// backlog is what became of the messages that nobody decided.
type backlog struct {
	mu         sync.Mutex
	firstCheck time.Time
	checkCalls int
	arrivals   []time.Time
	receipts   map[string]int
}

func measureBacklog(server string, order backlogOrder) error {
	left := &backlog{receipts: map[string]int{}}
	sink, err := listen(left.receive)
	if err != nil {
		return err
	}
	start := time.Now()
	// Every message is told to wait for the rest of one common time, in which the fill has to fit.
	due := start.Add(10*time.Second + time.Duration(order.Transactions)*time.Second/500)
	if err := fill(server, sink, order, due); err != nil {
		return err
	}
	filled := time.Now()
	if filled.After(due) {
		return fmt.Errorf("the fill took %v and checks were due after %v", filled.Sub(start), due.Sub(start))
	}
	if err := report("measuring", nil); err != nil {
		return err
	}
	answerable := 0
	for i := range order.Transactions {
		if checkOf(sink, i, order) == sink+checkPath {
			answerable++
		}
	}
	end := due.Add(time.Duration(order.PatienceSeconds * float64(time.Second)))
	for time.Now().Before(end) && left.delivered() < answerable {
		time.Sleep(20 * time.Millisecond)
	}
	fields := left.result(answerable)
	fields["fillSeconds"] = seconds(filled.Sub(start))
	return report("result", fields)
}

// fill prepares all messages and decides none. They are due for a check within a second after due.
func fill(server, sink string, order backlogOrder, due time.Time) error {
	payload := quotedPayload(order.PayloadBytes)
	var next atomic.Int64
	failures := make(chan error, fillInFlight)
	for range fillInFlight {
		go func() {
			c := &client{server: server}
			defer c.close()
			for {
				i := int(next.Add(1)) - 1
				if i >= order.Transactions {
					failures <- nil
					return
				}
				// The server looks at a message after retry_interval, and asks only if timeout_to_fail is over too.
				wait := max(1, int(math.Ceil(time.Until(due).Seconds())))
				options := fmt.Sprintf(`,"retry_interval":%d,"timeout_to_fail":1`, wait)
				body := messageBody(identifier("b", int64(i)), payload, sink+branchPath, checkOf(sink, i, order), options)
				if err := c.post(preparePath, body); err != nil {
					failures <- err
					return
				}
			}
		}()
	}
	for range fillInFlight {
		if err := <-failures; err != nil {
			return err
		}
	}
	return nil
}

// checkOf spreads the addresses that hang and refuse over the messages: boltdb asks in the order of the ids, and ten
// that hang one after the other would stop it for half a minute.
func checkOf(sink string, i int, order backlogOrder) string {
	switch turn := i * 37 % 100; {
	case turn < order.HangingPercent:
		return sink + hangingPath
	case turn < order.HangingPercent+order.RefusingPercent:
		return refusingCheck
	}
	return sink + checkPath
}

func (b *backlog) receive(c call) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.path != branchPath {
		b.checkCalls++
		if b.firstCheck.IsZero() {
			b.firstCheck = c.at
		}
		return
	}
	b.receipts[c.id]++
	if b.receipts[c.id] == 1 {
		b.arrivals = append(b.arrivals, c.at)
	}
}

func (b *backlog) delivered() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.arrivals)
}

// result has the members of the harness's table of backlogs, except for the fill and the use of the machine.
func (b *backlog) result(answerable int) map[string]any {
	b.mu.Lock()
	defer b.mu.Unlock()
	slices.SortFunc(b.arrivals, time.Time.Compare)
	// Seconds from the first check until this share of the answerable ones had come; nil: they did not.
	until := func(share float64) any {
		count := int(math.Ceil(share * float64(answerable)))
		if count == 0 || count > len(b.arrivals) {
			return nil
		}
		return seconds(b.arrivals[count-1].Sub(b.firstCheck))
	}
	duplicates := -len(b.receipts)
	for _, times := range b.receipts {
		duplicates += times
	}
	return map[string]any{
		"halfSeconds":      until(0.5),
		"percent99Seconds": until(0.99),
		"lastSeconds":      until(1),
		"answerable":       answerable,
		"delivered":        len(b.arrivals),
		"duplicates":       duplicates,
		"checkCalls":       b.checkCalls,
	}
}

func seconds(d time.Duration) float64 { return math.Round(d.Seconds()*1000) / 1000 }
