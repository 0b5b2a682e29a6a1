// OPA, embedded: the conversion of a request, the evaluation and the answer as opa-envoy-plugin has them, whose own
// module is not served by the module proxy. Without decision log, metrics or bundles. With -evaluate, no server: so
// many evaluations of the request in a file of gRPC frames, and what one took, in microseconds of CPU.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
	"syscall"
	"time"

	auth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	kind "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown/cache"
	"github.com/open-policy-agent/opa/v1/util"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"scopegate.example/bench/serving"
)

const policy = `package scope
import rego.v1

token := substring(input.attributes.request.http.headers.authorization, 7, -1) if {
	startswith(input.attributes.request.http.headers.authorization, "Bearer ")
}

verified := io.jwt.decode_verify(token, {"cert": data.jwks, "iss": data.issuer, "aud": data.audience})

default result := {"allowed": false, "http_status": 401}

result := {"allowed": false, "http_status": 403} if {
	verified[0]
	not granted
}

result := {
	"allowed": true, "headers": granted.set, "remove": granted.remove, "query": granted.query,
	"response": granted.response, "metadata": granted.metadata,
} if verified[0]

granted := data.groups[first] if {
	verified[2].exp
	matching := [group | some group in verified[2].groups; data.groups[group]]
	first := matching[0]
}
`

type server struct {
	auth.UnimplementedAuthorizationServer
	query  rego.PreparedEvalQuery
	values cache.InterQueryValueCache
}

func prepare(config serving.Config) *server {
	jwks, err := os.ReadFile(config.JWKS)
	if err != nil {
		log.Fatal(err)
	}
	var groups any
	text, _ := json.Marshal(config.Groups)
	if err := util.UnmarshalJSON(text, &groups); err != nil {
		log.Fatal(err)
	}
	store := inmem.NewFromObject(map[string]any{
		"jwks": string(jwks), "issuer": config.Issuer, "audience": config.Audience, "groups": groups,
	})
	ctx := context.Background()
	query, err := rego.New(
		rego.Query("data.scope.result"), rego.Module("scope.rego", policy), rego.Store(store),
	).PrepareForEval(ctx)
	if err != nil {
		log.Fatal(err)
	}
	settings, _ := cache.ParseCachingConfig(nil)
	return &server{query: query, values: cache.NewInterQueryValueCache(ctx, settings)}
}

func (s *server) Check(ctx context.Context, request *auth.CheckRequest) (*auth.CheckResponse, error) {
	text, err := protojson.Marshal(request)
	if err != nil {
		return nil, err
	}
	var input map[string]any
	if err := util.UnmarshalJSON(text, &input); err != nil {
		return nil, err
	}
	path, _, _ := strings.Cut(request.GetAttributes().GetRequest().GetHttp().GetPath(), "?")
	input["parsed_path"] = strings.Split(strings.Trim(path, "/"), "/")
	value, err := ast.InterfaceToValue(input)
	if err != nil {
		return nil, err
	}
	found, err := s.query.Eval(ctx, rego.EvalParsedInput(value), rego.EvalInterQueryBuiltinValueCache(s.values))
	if err != nil || len(found) == 0 {
		return serving.Denied(kind.StatusCode_Forbidden, "undecided"), err
	}
	result := found[0].Expressions[0].Value.(map[string]any)
	if result["allowed"] != true {
		code, _ := result["http_status"].(json.Number).Int64()
		return serving.Denied(kind.StatusCode(code), "denied"), nil
	}
	metadata, err := structpb.NewStruct(result["metadata"].(map[string]any))
	if err != nil {
		return nil, err
	}
	rewrites := serving.Rewrites{
		Set: pairs(result["headers"]), Query: pairs(result["query"]), Response: pairs(result["response"]),
		Metadata: metadata,
	}
	for _, name := range result["remove"].([]any) {
		rewrites.Remove = append(rewrites.Remove, name.(string))
	}
	return serving.Allowed(rewrites), nil
}

func pairs(found any) [][2]string {
	var both [][2]string
	for _, pair := range found.([]any) {
		both = append(both, [2]string{pair.([]any)[0].(string), pair.([]any)[1].(string)})
	}
	return both
}

func processTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func (s *server) measure(path string, times int) {
	frames, err := os.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	var request auth.CheckRequest
	if err := proto.Unmarshal(frames[5:], &request); err != nil {
		log.Fatal(err)
	}
	answer, err := s.Check(context.Background(), &request)
	if err != nil || answer.GetStatus().GetCode() != 0 {
		log.Fatalf("the question is not allowed: %v %v", answer, err)
	}
	best := time.Hour
	for range 5 {
		began := processTime()
		for range times {
			_, _ = s.Check(context.Background(), &request)
		}
		best = min(best, (processTime()-began)/time.Duration(times))
	}
	fmt.Println(float64(best.Nanoseconds()) / 1000)
}

func main() {
	config := flag.String("config", "", "the configuration, JSON")
	evaluate := flag.Int("evaluate", 0, "evaluate so often, instead of serving")
	request := flag.String("request", "", "the request to evaluate, a gRPC frame")
	flag.Parse()
	made := prepare(serving.Load(*config))
	if *evaluate > 0 {
		made.measure(*request, *evaluate)
		return
	}
	serving.Serve(made)
}
