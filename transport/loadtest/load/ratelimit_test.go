package load

import (
	"testing"
)

func TestARateLimitIsRecognised(t *testing.T) {
	var limited, free rateLimit
	for n := range 5 {
		var same, different pace
		for i := range 20 {
			same.add(500 + uint32((i+n)%3))
			different.add(500 + uint32(i*n*20))
		}
		limited.see(same, 1)
		free.see(different, 1)
	}
	if limited.found != 500 || free.found != 0 {
		t.Errorf("found limits of %v and %v, want 500 and none", limited.found, free.found)
	}
}
