# Every target does its own set-up; tools/need says what is missing where it cannot.
GO ?= go
# Where Go files are, in a clone and in an archive of the sources alike.
GO_FOLDERS = $(wildcard *.go web/*.go) bench cmd deploy forecast internal ledger market score track
.DEFAULT_GOAL := build

.PHONY: run first build test test-long test-web test-onnx test-deploy test-k8s test-rules report references scan lint fmt bench web image image-smoke release clean

run: first build ; ./bin/foretick serve $(ARGS)

first: ; @test -e bin/foretick || echo "The first build downloads and compiles everything: 2 to 4 minutes on two cores. Later ones take seconds."

# One way to compile for the program, its tests and the linters, or a fresh clone compiles everything once more. Only the race
# detector and ONNX Runtime need C.
export CGO_ENABLED ?= 0
export GOFLAGS ?= -trimpath

build: web ; CGO_ENABLED=0 $(GO) build -trimpath -o bin/foretick ./cmd/foretick

# A test program with the race detector sleeps a second before it exits, by default: of 30 packages that is half a minute.
test test-long report: export GORACE ?= atexit_sleep_ms=20

# Everything without the race detector, which takes 5 to 9 times the processor time; then, with it, the packages that
# start goroutines, whose slow tests then do less. Properties are drawn 100 times, and 10 times with it: more draws show faults
# of a computation, not of its goroutines. SQLite's own code, which is translated from C and locks by itself, is not watched.
RACE = -race -gcflags=modernc.org/sqlite/lib=-race=false
# Many tests wait, for a server or another process: twice as many packages at once as there are processors.
AT_ONCE = -p $$((2 * $$(getconf _NPROCESSORS_ONLN))) -timeout 10m
test: build
	tools/need cc chromium postgres
	$(GO) test $(AT_ONCE) ./...
	CGO_ENABLED=1 RAPID_CHECKS=10 $(GO) test $(RACE) $(AT_ONCE) $$(tools/raced)
	$(MAKE) test-onnx test-rules test-deploy test-web

# The same with nothing left out: everything with the race detector, properties drawn 1,000 times, 200 kills on each store, an hour
# of fuzzing. Takes an evening.
test-long: export FORETICK_TEST_LONG = 1
test-long: export RAPID_CHECKS ?= 1000
test-long: build
	tools/need cc chromium postgres
	CGO_ENABLED=1 $(GO) test -race -timeout 6h ./...
	tools/fuzz $(or $(FUZZ),3600)
	$(MAKE) test-onnx test-rules test-deploy test-web

# The page's own tests, and the whole program in a browser.
test-web: build ; tools/need chromium && cd web && npm test && npm run e2e

# What the build tag onnx adds, against a real ONNX Runtime that is fetched once.
test-onnx: export CGO_ENABLED = 1
test-onnx: ; tools/need go cc && ort=$$(tools/onnxruntime) && $(GO) vet $(RACE) -tags onnx ./internal/onnx/... ./internal/app ./cmd/... && FORETICK_ONNX_RUNTIME=$$ort $(GO) test $(RACE) -tags onnx ./internal/onnx && FORETICK_ONNX_RUNTIME=$$ort $(GO) test $(RACE) -tags onnx -run Brought ./internal/app

# The compose files, the Helm chart and the kustomize overlays, in modules of their own. The first time it compiles Helm and Kubernetes: a minute or two.
test-deploy: ; tools/need go && (cd deploy/composetest && $(GO) test ./...) && cd deploy/k8stest && $(GO) test ./...

# The same manifests against a real API server of Kubernetes, which is built once (minutes), on Debian's etcd. Not a part of test.
test-k8s: ; tools/need go etcd && api=$$(tools/kube-apiserver) && cd deploy/k8stest && KUBE_APISERVER=$$api $(GO) test -count 1 -tags apiserver -run APIServer -v .

lint: web/node_modules ; test -z "$$(gofmt -l $(GO_FOLDERS) | tee /dev/stderr)" && $(GO) vet ./... && $(GO) tool staticcheck ./... && $(GO) tool actionlint && cd web && npm run check

fmt: web/node_modules ; gofmt -w $(GO_FOLDERS) && cd web && npm run fmt

# Alert rules against their tests, by Prometheus' own program.
test-rules: ; tool=$$(tools/promtool) && $$tool check rules deploy/prometheus/rules.yml && $$tool test rules deploy/prometheus/rules_test.yml

# What pipelines publish: results as JUnit, coverage as Cobertura, under bin/report.
report: build
	tools/need cc chromium postgres && mkdir -p bin/report/coverage
	$(GO) run gotest.tools/gotestsum@v1.13.0 --format testname --junitfile bin/report/go.xml -- $(AT_ONCE) -coverprofile bin/report/cover.out ./...
	CGO_ENABLED=1 RAPID_CHECKS=10 $(GO) run gotest.tools/gotestsum@v1.13.0 --format testname --junitfile bin/report/race.xml -- $(RACE) $(AT_ONCE) $$(tools/raced)
	$(GO) run github.com/boumenot/gocover-cobertura@v1.4.0 < bin/report/cover.out > bin/report/coverage/cobertura.xml
	$(MAKE) test-onnx test-deploy test-rules
	cd web && npm test -- --reporter=default --reporter=junit --outputFile.junit=../bin/report/web.xml && npm run e2e

# Computes the tests' reference values again with R and Python (Debian's packages) and shows what differs; testdata/README.md explains them.
references: ; tools/references $(ARGS)

# Known vulnerabilities of what is in the binary. Needs the database of the Go project, from the internet.
scan: build ; $(GO) run golang.org/x/vuln/cmd/govulncheck@v1.8.0 -mode=binary bin/foretick

bench: build ; $(GO) test -run '^$$' -bench . -benchmem ./... | tee bin/bench.txt

web: web/dist/index.html

web/dist/index.html: web/node_modules $(shell find web -path web/node_modules -prune -o -path web/dist -prune -o -type f -print) ; cd web && npm run build

web/node_modules: web/package.json web/package-lock.json ; tools/need go node && cd web && npm ci --no-audit --no-fund && touch node_modules

# Both platforms in an OCI archive, each also for docker load; ARGS="-push REGISTRY/NAME:TAG" pushes.
image: web ; $(GO) run ./deploy/image -o bin $(ARGS)

# The image's content in a container of 64 MB and half a processor; needs root.
image-smoke: web ; tools/need go runc && FORETICK_SMOKE=runc $(GO) test -count=1 -v -run TestSmoke ./deploy/image

# Archives for Linux, macOS and Windows, Debian packages, checksums. The version is the git tag, or ARGS="-version 1.2.3".
release: web ; $(GO) run ./deploy/release -o bin/release $(ARGS)

clean: ; rm -rf bin web/node_modules && find web/dist -mindepth 1 ! -name .gitkeep -delete
