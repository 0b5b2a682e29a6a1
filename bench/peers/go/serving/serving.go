// Package serving is what the reference servers share: their configuration, the words of Envoy's protocol, the socket.
package serving

import (
	"encoding/json"
	"flag"
	"log"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	auth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	kind "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"
)

// Rewrites is what a group gets: headers and query parameters to set, headers to take away, a header for the client,
// and what Envoy's other filters and its access log are told.
type Rewrites struct {
	Set      [][2]string      `json:"set"`
	Remove   []string         `json:"remove"`
	Query    [][2]string      `json:"query"`
	Response [][2]string      `json:"response"`
	Metadata *structpb.Struct `json:"metadata"`
}

// Config is written by the harness, which asks Scopegate what it answers, so that all answer the same.
type Config struct {
	Issuer      string              `json:"issuer"`
	Audience    string              `json:"audience"`
	JWKS        string              `json:"jwks"`
	GroupsClaim string              `json:"groups_claim"`
	Groups      map[string]Rewrites `json:"groups"`
}

// Load reads the configuration; a mistake ends the program.
func Load(path string) Config {
	var config Config
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &config)
	}
	if err != nil {
		log.Fatalf("%s: %v", path, err)
	}
	return config
}

// Bearer is the token of a request, in either form in which Envoy sends headers; empty if there is none.
func Bearer(request *auth.CheckRequest) string {
	http := request.GetAttributes().GetRequest().GetHttp()
	value := http.GetHeaders()["authorization"]
	for _, header := range http.GetHeaderMap().GetHeaders() {
		if header.GetKey() == "authorization" {
			value = string(header.GetRawValue())
		}
	}
	token, found := strings.CutPrefix(value, "Bearer ")
	if !found {
		return ""
	}
	return token
}

// Allowed answers with what the group gets.
func Allowed(rewrites Rewrites) *auth.CheckResponse {
	query := make([]*core.QueryParameter, 0, len(rewrites.Query))
	for _, pair := range rewrites.Query {
		query = append(query, &core.QueryParameter{Key: pair[0], Value: pair[1]})
	}
	return &auth.CheckResponse{
		Status: &status.Status{Code: int32(codes.OK)},
		HttpResponse: &auth.CheckResponse_OkResponse{
			OkResponse: &auth.OkHttpResponse{
				Headers: headers(rewrites.Set), HeadersToRemove: rewrites.Remove,
				QueryParametersToSet: query, ResponseHeadersToAdd: headers(rewrites.Response),
			},
		},
		DynamicMetadata: rewrites.Metadata,
	}
}

func headers(pairs [][2]string) []*core.HeaderValueOption {
	options := make([]*core.HeaderValueOption, 0, len(pairs))
	for _, pair := range pairs {
		options = append(options, &core.HeaderValueOption{
			Header:       &core.HeaderValue{Key: pair[0], Value: pair[1]},
			AppendAction: core.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
		})
	}
	return options
}

// Denied answers with an HTTP status and a reason.
func Denied(code kind.StatusCode, reason string) *auth.CheckResponse {
	return &auth.CheckResponse{
		Status: &status.Status{Code: int32(codes.PermissionDenied), Message: reason},
		HttpResponse: &auth.CheckResponse_DeniedResponse{
			DeniedResponse: &auth.DeniedHttpResponse{
				Status: &kind.HttpStatus{Code: code},
				Body:   `{"type":"about:blank","title":"` + reason + `"}`,
			},
		},
	}
}

// Listen is the flag that says where.
var Listen = flag.String("listen", "127.0.0.1:50051", "host:port or unix:/path")

// Serve answers checks until it is told to end.
func Serve(server auth.AuthorizationServer) {
	network, address := "tcp", *Listen
	if path, unix := strings.CutPrefix(address, "unix:"); unix {
		network, address = "unix", path
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		log.Fatal(err)
	}
	serving := grpc.NewServer()
	auth.RegisterAuthorizationServer(serving, server)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-stop
		serving.Stop()
	}()
	if err := serving.Serve(listener); err != nil {
		log.Fatal(err)
	}
}
