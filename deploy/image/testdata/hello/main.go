// Command hello is the smallest program to make an image of.
package main

func main() { println("hello") }
