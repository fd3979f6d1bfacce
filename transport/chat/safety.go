package chat

import (
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"strings"
)

// The safety number's parameters are those of the page (web/src/identity/safety.ts).
const (
	safetyPurpose = "p2p-messaging safety number 1"
	safetyRounds  = 5200
	safetyGroups  = 6
)

// safetyNumber returns the safety number of two certificates, given by their fingerprints: 60 digits in 12 groups. Both ends get the same.
func safetyNumber(one, other string) string {
	if other < one {
		one, other = other, one
	}
	return strings.Join(append(safetyDigits(one), safetyDigits(other)...), " ")
}

func safetyDigits(fingerprint string) []string {
	f, err := hex.DecodeString(strings.ReplaceAll(fingerprint, ":", ""))
	if err != nil {
		panic(err) // fingerprints are written by fingerprintText
	}
	digest := sha512.Sum512(append([]byte(safetyPurpose), f...))
	for range safetyRounds {
		digest = sha512.Sum512(append(digest[:], f...))
	}
	groups := make([]string, safetyGroups)
	for i := range groups {
		var n uint64
		for _, b := range digest[5*i : 5*i+5] {
			n = n<<8 | uint64(b)
		}
		groups[i] = fmt.Sprintf("%05d", n%100_000)
	}
	return groups
}
