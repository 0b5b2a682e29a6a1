package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"slices"
	"time"
)

// allows says whether a gRPC frame holds a CheckResponse with status code 0, as Envoy reads it.
func allows(frame []byte) bool {
	if len(frame) < 5 {
		return false
	}
	code := uint64(0)
	each(frame[5:], func(number uint64, value []byte, _ uint64) {
		if number == 1 {
			each(value, func(number uint64, _ []byte, varint uint64) {
				if number == 1 {
					code = varint
				}
			})
		}
	})
	return code == 0
}

// each calls `found` for the fields of a protobuf message.
func each(message []byte, found func(number uint64, value []byte, varint uint64)) {
	for len(message) > 0 {
		tag, used := binary.Uvarint(message)
		if used <= 0 {
			return
		}
		message = message[used:]
		value, used := binary.Uvarint(message)
		switch {
		case used <= 0:
			return
		case tag&7 == 0:
			found(tag>>3, nil, value)
			message = message[used:]
		case tag&7 == 2 && value <= uint64(len(message)-used):
			found(tag>>3, message[used:used+int(value)], 0)
			message = message[used+int(value):]
		default:
			return
		}
	}
}

// frames reads a file of gRPC frames: five bytes of prefix and a message, one after the other.
func frames(path string) ([]question, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var found []question
	for len(text) >= 5 {
		length := 5 + int(binary.BigEndian.Uint32(text[1:5]))
		if length > len(text) {
			return nil, fmt.Errorf("%s: the last frame is cut", path)
		}
		found = append(found, question{body: text[:length]})
		text = text[length:]
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s: no frame", path)
	}
	return found, nil
}

// A tally is what is counted of one run.
type tally struct {
	allowed, denied, failed int
	latencies               []time.Duration
	lags                    []time.Duration
}

func quantile(sorted []time.Duration, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := min(len(sorted)-1, int(math.Ceil(q*float64(len(sorted))))-1)
	return float64(sorted[max(at, 0)].Nanoseconds()) / 1e6
}

func (t *tally) report(seconds float64) map[string]any {
	slices.Sort(t.latencies)
	slices.Sort(t.lags)
	report := map[string]any{
		"allowed": t.allowed, "denied": t.denied, "failed": t.failed, "seconds": seconds,
		"per_second": float64(t.allowed+t.denied) / seconds,
	}
	if len(t.latencies) > 0 {
		report["milliseconds"] = map[string]float64{
			"p50": quantile(t.latencies, 0.5), "p90": quantile(t.latencies, 0.9), "p99": quantile(t.latencies, 0.99),
			"p99.9": quantile(t.latencies, 0.999), "max": quantile(t.latencies, 1),
		}
	}
	if len(t.lags) > 0 {
		report["sent_late_milliseconds"] = map[string]float64{
			"p50": quantile(t.lags, 0.5), "p99": quantile(t.lags, 0.99),
		}
	}
	return report
}
