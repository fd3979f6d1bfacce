// Command manifests checks manifests of Kubernetes with the API's own types: no field may be unknown or stand twice, and pods
// must keep to the Pod Security Standard "restricted". It prints the objects as a JSON list.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	yamlstream "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: manifests FILE")
		os.Exit(2)
	}
	content, err := os.ReadFile(os.Args[1])
	if err == nil {
		var objects []runtime.Object
		if objects, err = decode(content); err == nil {
			err = json.NewEncoder(os.Stdout).Encode(objects)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// decode returns the objects of a file of YAML documents. The error names all faults of all of them.
func decode(content []byte) ([]runtime.Object, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{appsv1.AddToScheme, corev1.AddToScheme, networkingv1.AddToScheme, policyv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	var objects []runtime.Object
	var faults []error
	for documents := yamlstream.NewYAMLReader(bufio.NewReader(bytes.NewReader(content))); ; {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects, errors.Join(faults...)
		}
		if err != nil {
			return nil, err
		}
		object, kind, err := decoder.Decode(document, nil, nil)
		if err != nil {
			faults = append(faults, fmt.Errorf("document %d (%v): %w", len(objects)+1, kind, err))
		}
		switch workload := object.(type) {
		case *appsv1.Deployment:
			faults = append(faults, restricted(&workload.Spec.Template)...)
		case *appsv1.StatefulSet:
			faults = append(faults, restricted(&workload.Spec.Template)...)
		}
		objects = append(objects, object)
	}
}

// restricted returns what the Pod Security Standard "restricted" forbids in a pod.
func restricted(pod *corev1.PodTemplateSpec) (faults []error) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return []error{err}
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	for _, result := range evaluator.EvaluatePod(level, &metav1.ObjectMeta{Labels: pod.Labels, Annotations: pod.Annotations}, &pod.Spec) {
		if !result.Allowed {
			faults = append(faults, fmt.Errorf("not restricted: %s: %s", result.ForbiddenReason, result.ForbiddenDetail))
		}
	}
	return faults
}
