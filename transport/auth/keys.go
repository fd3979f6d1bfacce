package auth

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	jose "github.com/go-jose/go-jose/v4"
)

const (
	// maxKeys is how many keys of a set are used.
	maxKeys = 100
	// minRSABits is the size of the smallest RSA key that is used (RFC 7518, section 3.3).
	minRSABits = 2048
	// minSecret is the length of the shortest secret, in bytes (RFC 7518, section 3.2).
	minSecret = 32
)

// publicKey is a key of a JWK set that may have signed tokens.
type publicKey struct {
	id         string
	key        any
	algorithms []jose.SignatureAlgorithm
}

// keySet is the public keys as they were read at one time.
type keySet struct{ keys []publicKey }

// signs reports whether the key may have signed a token with this algorithm.
func (k publicKey) signs(algorithm string) bool {
	return slices.Contains(k.algorithms, jose.SignatureAlgorithm(algorithm))
}

// publicAlgorithms returns the algorithms of tokens that are signed with a private key (RFC 7518, section 3.1, and RFC 8037).
func publicAlgorithms() []jose.SignatureAlgorithm {
	return append(rsaAlgorithms(), jose.ES256, jose.ES384, jose.ES512, jose.EdDSA)
}

func rsaAlgorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512}
}

// parseKeys returns the keys of a JWK set that may sign tokens. It leaves out those that may not, and secrets.
func parseKeys(document []byte) ([]publicKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
		At   string            `json:"jwks_uri"`
	}
	switch err := json.Unmarshal(document, &set); {
	case err == nil && set.Keys == nil && set.At != "":
		return nil, errors.New("this is no JWK set but a configuration of OpenID: give the URL that it has in jwks_uri")
	case err != nil || set.Keys == nil:
		return nil, errors.New("this is no JWK set, which is a JSON object with the member keys")
	}
	var keys []publicKey
	for _, text := range set.Keys[:min(len(set.Keys), maxKeys)] {
		var read jose.JSONWebKey
		if json.Unmarshal(text, &read) != nil || read.Use != "" && read.Use != "sig" {
			continue
		}
		if read = read.Public(); !read.Valid() {
			continue
		}
		key := publicKey{id: read.KeyID, key: read.Key, algorithms: algorithmsOf(read.Key)}
		if read.Algorithm != "" {
			if !key.signs(read.Algorithm) {
				continue
			}
			key.algorithms = []jose.SignatureAlgorithm{jose.SignatureAlgorithm(read.Algorithm)}
		}
		if len(key.algorithms) > 0 {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the JWK set has no public key that signs tokens: RSA of 2048 bits or more, EC on P-256, P-384 or P-521, or Ed25519")
	}
	return keys, nil
}

// algorithmsOf returns the algorithms for a kind of key.
func algorithmsOf(key any) []jose.SignatureAlgorithm {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() >= minRSABits {
			return rsaAlgorithms()
		}
	case *ecdsa.PublicKey:
		switch key.Curve.Params().BitSize {
		case 256:
			return []jose.SignatureAlgorithm{jose.ES256}
		case 384:
			return []jose.SignatureAlgorithm{jose.ES384}
		case 521:
			return []jose.SignatureAlgorithm{jose.ES512}
		}
	case ed25519.PublicKey:
		return []jose.SignatureAlgorithm{jose.EdDSA}
	}
	return nil
}

// parseSecret returns the secret in a file, without white space at its ends.
func parseSecret(content []byte) ([]byte, error) {
	secret := bytes.TrimSpace(content)
	if len(secret) < minSecret {
		return nil, fmt.Errorf("the secret has %d bytes, and %d are the least: make one as with openssl rand -hex 32", len(secret), minSecret)
	}
	return secret, nil
}
