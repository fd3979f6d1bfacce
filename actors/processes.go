package actors

import (
	"slices"

	"github.com/asynkron/protoactor-go/actor"
)

// processBuckets is the number of maps among which protoactor spreads its actors. Each map has 32 parts with a mutex of their own.
// It is a power of two.
const processBuckets = 16

// narrow makes protoactor spread its actors among processBuckets maps. It has 1,024, which are 32,768 small Go maps: 4 MB, which each
// run of the garbage collector marks, and another 200 bytes for each of 20,000 sessions. Nobody else may use the registry meanwhile.
func narrow(r *actor.ProcessRegistryValue) {
	all := r.LocalPIDs.LocalPIDs
	if len(all)%processBuckets != 0 {
		return // the bucket of a process is its hash modulo their number
	}
	for i, bucket := range all[processBuckets:] {
		bucket.IterCb(all[i%processBuckets].Set)
	}
	r.LocalPIDs.LocalPIDs = slices.Clone(all[:processBuckets])
}
