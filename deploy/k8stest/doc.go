// Package k8stest checks what Foretick ships for Kubernetes, without a cluster: the Helm chart and the kustomize overlays are
// rendered, decoded strictly by the types of Kubernetes, judged by the code of its Pod Security admission, compared with golden
// files, and the program is started as they would start it. Behind the build tag apiserver the same manifests go to a real API
// server (make test-k8s).
//
// It is a module of its own, so that Helm and Kubernetes are no dependencies of Foretick.
package k8stest
