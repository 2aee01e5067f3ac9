package doctor_test

import (
	"encoding/json"
	"fmt"

	"fx/internal/doctor"
)

func ExampleCheck() {
	text, err := json.Marshal(doctor.Check{Problem: "no NVIDIA driver", Fix: "Take --device cpu."})
	fmt.Println(string(text), err)
	// Output: {"works":false,"problem":"no NVIDIA driver","mend":"Take --device cpu."} <nil>
}
