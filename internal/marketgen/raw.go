package main

func raw() []file { return nil }
