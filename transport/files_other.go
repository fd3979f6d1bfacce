//go:build !unix

package transport

import "math"

// openFiles returns how many files this process may have open. Such a limit is not known on this system.
func openFiles() int { return math.MaxInt }
