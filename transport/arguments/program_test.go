package arguments

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

type choosing int

func (choosing) Error() string     { return "chosen" }
func (c choosing) ExitStatus() int { return int(c) }

func TestTheErrorDecidesTheExitStatus(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, StatusOK},
		{errors.New("any"), StatusFailure},
		{choosing(3), 3},
		{fmt.Errorf("wrapped: %w", choosing(StatusUsage)), StatusUsage},
		{fmt.Errorf("wrapped: %w", context.Canceled), StatusInterrupted},
		{context.DeadlineExceeded, StatusFailure},
	} {
		if got := Status(c.err); got != c.want {
			t.Errorf("%v: status %d, want %d", c.err, got, c.want)
		}
	}
}
