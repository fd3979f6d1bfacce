//go:build !unix

package files

import "math"

// Limit returns how many files this process may have open. Such a limit is not known on this system.
func Limit() int { return math.MaxInt }
