package main

import (
	"testing"
	"time"

	auth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
)

func framed(t *testing.T, answers ...*auth.CheckResponse) []byte {
	t.Helper()
	frame := make([]byte, 5)
	for _, answer := range answers {
		message, err := proto.Marshal(answer)
		if err != nil {
			t.Fatal(err)
		}
		frame = append(frame, message...)
	}
	return frame
}

func TestAnAnswerIsReadAsEnvoyReadsIt(t *testing.T) {
	ok := &auth.CheckResponse{Status: &status.Status{Code: 0}, HttpResponse: &auth.CheckResponse_OkResponse{}}
	denied := &auth.CheckResponse{
		Status:       &status.Status{Code: 7, Message: "no"},
		HttpResponse: &auth.CheckResponse_DeniedResponse{DeniedResponse: &auth.DeniedHttpResponse{Body: "no"}},
	}
	for name, one := range map[string]struct {
		frame []byte
		want  bool
	}{
		"allowed":                     {framed(t, ok), true},
		"without a status":            {framed(t, &auth.CheckResponse{}), true},
		"denied":                      {framed(t, denied), false},
		"two messages are one answer": {framed(t, ok, denied), false},
		"no frame":                    {[]byte{0, 0}, false},
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
