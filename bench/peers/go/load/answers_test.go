package main

import (
	"slices"
	"testing"
	"time"
)

// CheckResponses on the wire: 0a is the status (whose field 08 is its code), 1a an ok_response, 12 a denied_response.
var (
	prefix = []byte{0, 0, 0, 0, 0}
	ok     = []byte{0x0a, 0x00, 0x1a, 0x00}
	denied = []byte{0x0a, 0x02, 0x08, 0x07, 0x12, 0x00}
)

func TestAnAnswerIsReadAsEnvoyReadsIt(t *testing.T) {
	for name, one := range map[string]struct {
		frame []byte
		want  bool
	}{
		"allowed":                     {slices.Concat(prefix, ok), true},
		"without a status":            {prefix, true},
		"denied":                      {slices.Concat(prefix, denied), false},
		"two messages are one answer": {slices.Concat(prefix, ok, denied), false},
		"no frame":                    {prefix[:2], false},
	} {
		if allows(one.frame) != one.want {
			t.Errorf("%s: got %v, expected %v", name, !one.want, one.want)
		}
	}
}

func TestAQuantileIsTheNearestRank(t *testing.T) {
	sorted := make([]time.Duration, 1000)
	for number := range sorted {
		sorted[number] = time.Duration(number+1) * time.Millisecond
	}
	for q, want := range map[float64]float64{0.5: 500, 0.99: 990, 0.999: 999, 1: 1000} {
		if got := quantile(sorted, q); got != want {
			t.Errorf("%v: got %v ms, expected %v", q, got, want)
		}
	}
}
