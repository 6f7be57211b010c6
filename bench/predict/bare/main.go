// Command bare is the least that Go's net/http does for a POST with a small answer: what is
// left of a prediction service when nothing is predicted.
package main

import (
	"io"
	"log"
	"net/http"
	"os"
)

func main() {
	answer := []byte(`{"result":130.1}`)
	log.Fatal(http.ListenAndServe(os.Args[1], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
	})))
}
