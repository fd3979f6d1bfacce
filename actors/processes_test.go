package actors

import (
	"fmt"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
)

// named is a process that does nothing.
type named struct {
	actor.Process
	number int
}

func TestEachProcessIsFoundInFewerBuckets(t *testing.T) {
	system := actor.NewActorSystem()
	defer system.Shutdown()
	r := system.ProcessRegistry
	const before, after = 500, 500
	add := func(i int) {
		if _, absent := r.Add(&named{number: i}, fmt.Sprint("process ", i)); !absent {
			t.Fatalf("process %d is there already", i)
		}
	}
	for i := range before {
		add(i)
	}
	narrow(r)
	if n := len(r.LocalPIDs.LocalPIDs); n != processBuckets {
		t.Errorf("there are %d buckets, want %d", n, processBuckets)
	}
	for i := range after {
		add(before + i)
	}
	for i := range before + after {
		id := fmt.Sprint("process ", i)
		if p, found := r.GetLocal(id); !found || p.(*named).number != i {
			t.Fatalf("%s is %v", id, p)
		}
		r.Remove(actor.NewPID("nonhost", id))
		if _, found := r.GetLocal(id); found {
			t.Fatalf("%s is there after it was removed", id)
		}
	}
}

// What protoactor registers for itself is found after NewSystem as before.
func TestProtoactorsOwnProcessesAreFound(t *testing.T) {
	count := func(r *actor.ProcessRegistryValue) (n int) {
		for _, bucket := range r.LocalPIDs.LocalPIDs {
			for _, id := range bucket.Keys() {
				if _, found := r.GetLocal(id); found {
					n++
				}
			}
		}
		return n
	}
	system := actor.NewActorSystem()
	defer system.Shutdown()
	own := count(system.ProcessRegistry)
	narrow(system.ProcessRegistry)
	if got := count(system.ProcessRegistry); got != own || own == 0 {
		t.Errorf("%d processes are found, want %d", got, own)
	}
	if n := len(newTestSystem(t, Options{}).actors.ProcessRegistry.LocalPIDs.LocalPIDs); n != processBuckets {
		t.Errorf("a system has %d buckets, want %d", n, processBuckets)
	}
}
