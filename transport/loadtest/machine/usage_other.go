//go:build !unix

package machine

import "time"

func CPUTime() time.Duration { return 0 }

func RaiseFileLimit() int { return 0 }
