// Command etcdtest is etcd, for tests of several nodes. It takes the flags of etcd. It is a module of its own, so that the service
// does not depend on the server of etcd. Build it by
//
//	go build -C actors/cluster/etcdtest -o FILE .
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
