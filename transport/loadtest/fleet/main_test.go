package fleet

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"p2p-messaging/transport/internal/atonce"
)

// TestMain makes the test program a worker if a run has started it as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == WorkerCommand {
		if err := RunWorker(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	atonce.Tests(4) // Most cases wait for a connection or for the end of a run.
	goleak.VerifyTestMain(m)
}
