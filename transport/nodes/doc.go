// Package nodes has no code of its own. Its tests start several nodes and an etcd as processes, put clients on them, break one thing
// after another, and let package proof check what has happened.
//
// The tests need P2P_PROOF=1. They are short then, and mostly wait; .ci/run runs most of them so. P2P_TEST_ETCD names an etcd that is
// built, which saves the time to build one. With P2P_PROOF_LONG=1 they do everything many times: 20 kills, 10 freezes,
// 42 restarts, 14 cuts of the network and more than 10,000 claims, which takes ten minutes. P2P_PROOF_KEEP names a folder in which the
// events of each test are kept, for whoever looks for the cause of a fault.
//
// This measures how much processor time a relay takes within a node, and between two nodes with TLS, both together:
//
//	P2P_PROOF_LONG=1 go test -count=1 -v -run TestARelayAcrossNodesCosts ./transport/nodes
//
// Each node listens on port 7777 of an address of its own. So no program may listen on that port of all addresses, as the service does.
package nodes
