// A lean authorization server, as people write them: verify the token, look up the group, answer with headers.
// No audit, no metrics, no log, no reload. With -cache, verified tokens are remembered until they expire.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"log"
	"math/big"
	"os"
	"sync"
	"time"

	auth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	kind "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"github.com/golang-jwt/jwt/v5"

	"scopegate.example/bench/serving"
)

type jwk struct{ Kid, Kty, Crv, N, E, X, Y string }

func number(text string) *big.Int {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		log.Fatal(err)
	}
	return new(big.Int).SetBytes(raw)
}

func (key jwk) public() any {
	switch key.Kty {
	case "RSA":
		return &rsa.PublicKey{N: number(key.N), E: int(number(key.E).Int64())}
	case "EC":
		return &ecdsa.PublicKey{Curve: elliptic.P256(), X: number(key.X), Y: number(key.Y)}
	default:
		return ed25519.PublicKey(number(key.X).FillBytes(make([]byte, ed25519.PublicKeySize)))
	}
}

func keys(path string) map[string]any {
	var set struct{ Keys []jwk }
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &set)
	}
	if err != nil {
		log.Fatalf("%s: %v", path, err)
	}
	found := map[string]any{}
	for _, key := range set.Keys {
		found[key.Kid] = key.public()
	}
	return found
}

type claims struct {
	jwt.RegisteredClaims
	Groups []string `json:"groups"`
}

type known struct {
	groups  []string
	expires time.Time
}

type server struct {
	auth.UnimplementedAuthorizationServer
	config serving.Config
	keys   map[string]any
	parser *jwt.Parser
	cached bool
	cache  sync.Map
}

func (s *server) groups(token string) ([]string, error) {
	if s.cached {
		if found, ok := s.cache.Load(token); ok && time.Now().Before(found.(known).expires) {
			return found.(known).groups, nil
		}
	}
	var verified claims
	_, err := s.parser.ParseWithClaims(token, &verified, func(token *jwt.Token) (any, error) {
		kid, _ := token.Header["kid"].(string)
		if key, ok := s.keys[kid]; ok {
			return key, nil
		}
		return nil, errors.New("unknown key")
	})
	if err == nil && s.cached {
		s.cache.Store(token, known{verified.Groups, verified.ExpiresAt.Time})
	}
	return verified.Groups, err
}

func (s *server) Check(_ context.Context, request *auth.CheckRequest) (*auth.CheckResponse, error) {
	groups, err := s.groups(serving.Bearer(request))
	if err != nil {
		return serving.Denied(kind.StatusCode_Unauthorized, "token_invalid"), nil
	}
	for _, group := range groups {
		if rewrites, ok := s.config.Groups[group]; ok {
			return serving.Allowed(rewrites), nil
		}
	}
	return serving.Denied(kind.StatusCode_Forbidden, "no_grant"), nil
}

func main() {
	config := flag.String("config", "", "the configuration, JSON")
	cached := flag.Bool("cache", false, "remember verified tokens")
	flag.Parse()
	loaded := serving.Load(*config)
	serving.Serve(&server{
		config: loaded,
		keys:   keys(loaded.JWKS),
		cached: *cached,
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{"RS256", "ES256", "EdDSA"}), jwt.WithIssuer(loaded.Issuer),
			jwt.WithAudience(loaded.Audience), jwt.WithExpirationRequired(), jwt.WithLeeway(time.Minute)),
	})
}
