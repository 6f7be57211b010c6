// Command gen writes the assembly of package kernel.
//
// Both instruction sets come from one description of each loop: the emitters below count
// in vectors, and an [isa] says how wide one is and how many registers there are. avo
// gives out the registers and prints Go assembly with its declarations. Run it by go
// generate in package kernel; a test here keeps the committed files equal to its output.
package main

import (
	"flag"
	"log"
	"os"
	"path/filepath"
)

func main() {
	log.SetFlags(0)
	flags := flag.NewFlagSet("gen", flag.ExitOnError) // avo has flags of its own in the usual set
	out := flags.String("out", ".", "folder to write to")
	_ = flags.Parse(os.Args[1:]) // exits on an error
	all, err := files()
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range all {
		if err := os.WriteFile(filepath.Join(*out, f.name), f.text, 0o644); err != nil {
			log.Fatal(err)
		}
	}
}
