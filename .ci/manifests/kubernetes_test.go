package manifests

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/apps"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	appsvalidation "k8s.io/kubernetes/pkg/apis/apps/validation"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	corevalidation "k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/kubernetes/pkg/apis/networking"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	networkingvalidation "k8s.io/kubernetes/pkg/apis/networking/validation"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// The API server's decoder, which defaults, and refuses unknown fields.
var decoder = serializer.NewCodecFactory(legacyscheme.Scheme, serializer.EnableStrict).UniversalDecoder()

// validate reads a manifest as the API server does, and compares its ports.
func validate(text string) error {
	var wrong []error
	var service *core.Service
	var policy *networking.NetworkPolicy
	for _, document := range strings.Split(text, "\n---\n") {
		object, _, err := decoder.Decode([]byte(document), nil, nil)
		if err != nil {
			return err
		}
		for _, e := range errorsOf(object) {
			wrong = append(wrong, e)
		}
		switch o := object.(type) {
		case *core.Service:
			service = o
		case *networking.NetworkPolicy:
			policy = o
		}
	}
	if service != nil {
		wrong = append(wrong, agree(service, policy))
	}
	return errors.Join(wrong...)
}

func errorsOf(object runtime.Object) field.ErrorList {
	switch o := object.(type) {
	case *core.Service:
		namespaced(&o.Namespace)
		if o.Spec.Type == core.ServiceTypeLoadBalancer {
			o.Spec.HealthCheckNodePort = 31999 // the API server allocates one
		}
		return corevalidation.ValidateServiceCreate(o)
	case *networking.NetworkPolicy:
		namespaced(&o.Namespace)
		return networkingvalidation.ValidateNetworkPolicy(o, networkingvalidation.NetworkPolicyValidationOptions{})
	case *apps.Deployment:
		namespaced(&o.Namespace)
		return appsvalidation.ValidateDeployment(o, corevalidation.PodValidationOptions{})
	case *core.PersistentVolumeClaim:
		namespaced(&o.Namespace)
		return corevalidation.ValidatePersistentVolumeClaim(o, corevalidation.PersistentVolumeClaimSpecValidationOptions{})
	}
	return field.ErrorList{field.NotSupported(nil, fmt.Sprintf("%T", object), []string{"an object of the target"})}
}

func namespaced(namespace *string) {
	if *namespace == "" {
		*namespace = "default"
	}
}

// agree compares the ports of a site's objects, which keep their numbers on the way.
func agree(service *core.Service, policy *networking.NetworkPolicy) error {
	if service.Spec.ExternalTrafficPolicy != core.ServiceExternalTrafficPolicyLocal {
		return errors.New("the Service hides its clients' addresses")
	}
	var data []int32
	for _, p := range service.Spec.Ports[1:] {
		data = append(data, p.Port)
		if p.TargetPort.IntVal != p.Port || p.NodePort != 0 && p.NodePort != p.Port {
			return fmt.Errorf("the data port %d leads to %v", p.Port, p.TargetPort.IntVal)
		}
		if service.Spec.Type == core.ServiceTypeNodePort && p.NodePort < 30000 || p.NodePort > 32767 {
			return fmt.Errorf("%d is not a node port", p.NodePort)
		}
	}
	if policy == nil {
		return nil
	}
	ports := policy.Spec.Ingress[0].Ports
	last := ports[1].Port.IntVal
	if ports[1].EndPort != nil {
		last = *ports[1].EndPort
	}
	if ports[0].Port.IntVal != service.Spec.Ports[0].TargetPort.IntVal || ports[1].Port.IntVal != slices.Min(data) || last != slices.Max(data) {
		return errors.New("Service and NetworkPolicy have other ports")
	}
	return nil
}

func TestKubernetes(t *testing.T) {
	for _, file := range committed(t, "*/kubernetes/*.yaml", 5) {
		if filepath.Base(file) == "kustomization.yaml" {
			continue
		}
		text, err := os.ReadFile(file)
		if err == nil {
			err = validate(string(text))
		}
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// Each folder is a base of kustomize, and has all of its files.
func TestKustomization(t *testing.T) {
	for _, file := range committed(t, "*/kubernetes/kustomization.yaml", 2) {
		folder := filepath.Dir(file)
		made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
		if err != nil {
			t.Errorf("%s: %v", folder, err)
			continue
		}
		text, err := made.AsYaml()
		if err == nil {
			err = validate(strings.TrimSpace(string(text)))
		}
		if err != nil {
			t.Errorf("%s: %v", folder, err)
		}
		files, err := filepath.Glob(folder + "/*.yaml")
		services := strings.Count(string(text), "\nkind: Service\n")
		if services == 0 { // in the nodes' own network
			services = strings.Count(string(text), "hostNetwork: true\n")
		}
		if err != nil || services != len(files)-1 {
			t.Errorf("%s: %d sites of %d files", folder, services, len(files)-1)
		}
	}
}

// Each of these mistakes is refused.
func TestKubernetesSeesFaults(t *testing.T) {
	read := func(file string) string {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	balancer := read("../../examples/containers/out/edge1/kubernetes/downloads.yaml")
	node := read("../../generators/testdata/kubernetes/out/node1/kubernetes/downloads.yaml")
	for _, c := range []struct{ text, old, new, want string }{
		{balancer, "", "", ""},
		{balancer, "targetPort: 61000", "targetPort: 61001", "the data port 61000 leads to 61001"},
		{balancer, "port: 61000", "port: 71000", "71000"},
		{balancer, "name: pasv-61000", "name: pasv_61000", "spec.ports[1].name"},
		{balancer, "name: pasv-61000", "name: ftp", "Duplicate"},
		{balancer, "externalTrafficPolicy: Local", "externalTrafficPolicy: Cluster", "hides"},
		{balancer, "protocol: TCP", "protocol: tcp", "protocol"},
		{balancer, "targetPort: 2121", "targetport: 2121", "unknown field"},
		{balancer, "type: Recreate", "type: Recreated", "spec.strategy"},
		{balancer, "mountPath: /srv/ftp", "mountPath: /etc/pasvctl", "must be unique"},
		{balancer, "claimName: ftp-downloads", "claimName: \"\"", "claimName"},
		{balancer, "storage: 10Gi", "storage: 10GiB", "quantit"},
		{balancer, "name: ftp-downloads\n", "name: Downloads\n", "metadata.name"},
		{balancer, "instance\": \"ftp-downloads\"", "instance\": \"ftp downloads\"", "instance"},
		{node, "", "", ""},
		{node, "endPort: 30017", "endPort: 30012", "endPort"},
		{node, "endPort: 30017", "endPort: 30018", "other ports"},
		{node, "192.0.2.0/24", "192.0.2.0/33", "cidr"},
		{node, "nodePort: 30013", "nodePort: 30014", "Duplicate"},
		{node, "30013", "20013", "20013 is not a node port"},
		{node, "ipFamilyPolicy: PreferDualStack", "ipFamilyPolicy: DualStack", "ipFamilyPolicy"},
	} {
		if !strings.Contains(c.text, c.old) {
			t.Errorf("no %q", c.old)
		}
		err := validate(strings.ReplaceAll(c.text, c.old, c.new))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%q for %q: %v", c.new, c.old, err)
		}
	}
}
