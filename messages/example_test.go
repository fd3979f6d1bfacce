package messages_test

import (
	"errors"
	"fmt"

	"p2p-messaging/messages"
)

func ExampleDecode() {
	e, err := messages.Decode([]byte(`{"type":"offer","offer":{"type":"offer","sdp":"v=0\r\n"},"from":"alice","to":"bob"}`))
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s from %s to %s\n", e.Type, e.From, e.To)
	// Output: offer from alice to bob
}

func ExampleDecode_refused() {
	_, err := messages.Decode([]byte(`{"type":"offer","from":"alice","fr\u006fm":"mallory","to":"bob"}`))
	if refused, ok := errors.AsType[*messages.DecodeError](err); ok {
		fmt.Printf("%s\n", messages.AppendError(nil, refused.Code, refused.Reason, nil))
	}
	// Output: {"type":"error","code":"malformed","message":"A name stands twice in one object. Write each name once."}
}

func ExampleParseLogin() {
	for _, typed := range []string{" Zoë ", "ZOE\u0308", "alice\t"} {
		login, err := messages.ParseLogin([]byte(typed))
		fmt.Printf("%+q %+q %v\n", login.Shown, login.Key, err)
	}
	// Output:
	// "Zo\u00eb" "zo\u00eb" <nil>
	// "ZOE\u0308" "zo\u00eb" <nil>
	// "" "" U+0009 (a tab) cannot be in a login. Leave it out.
}
