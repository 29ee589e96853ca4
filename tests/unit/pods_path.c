/* SPDX-License-Identifier: Apache-2.0 */
/* Cgroup paths of pods and containers, as kubelet and the runtimes write them, and what only looks like one. */
#include "test.h"

#include "base/util.h"
#include "pods/path.h"

#define UID "11111111-2222-3333-4444-555555555555"
#define ESCAPED "11111111_2222_3333_4444_555555555555"
#define HASH "9e3f1184ddfc0cdf60f3963ee5f4112b"
#define ID "52859911bd207fd1efb61e1b1e8e4392adde8b7c5c3193a4592fa8c900c97cee"

static void check_vector(char *const *field)
{
	static const char *const roots[] = {"", "/kubelet.slice/kubelet-x.slice", "/docker/" ID "/kubelet", "/a"};
	struct pod_path p;
	char path[512];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(roots); i++) {
		snprintf(path, sizeof(path), "%s%s", roots[i], field[3]);
		if (!pod_path_parse(path, strlen(path), &p))
			fail_msg("%s is a pod's", path);
		assert_string_equal(p.uid, field[2]);
		assert_string_equal(p.qos, field[0]);
		assert_string_equal(p.driver, field[1]);
		assert_true(pod_path_likely(strrchr(path, '/') + 1));
		/* Neither what is above it nor what is below. */
		strcat(path, "/cri-containerd-" ID ".scope");
		assert_false(pod_path_parse(path, strlen(path), &p));
		*strrchr(path, '/') = '\0';
		*strrchr(path, '/') = '\0';
		assert_false(pod_path_parse(path, strlen(path), &p));
	}
}

static void vectors(void **state)
{
	(void)state;
	assert_int_equal(each_vector("cgroup-paths.tsv", 4, check_vector), 12);
}

static void other_roots(void **state)
{
	static const struct {
		const char *path, *uid, *qos;
	} pods[] = {
		{"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/"
		 "kubelet-kubepods-burstable-pod" ESCAPED ".slice",
		 UID, "Burstable"},
		{"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" ESCAPED ".slice", UID, "Guaranteed"},
		{"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/"
		 "kubelet-kubepods-besteffort-pod" HASH ".slice",
		 HASH, "BestEffort"},
		{"/docker/" ID "/kubelet/kubepods/besteffort/pod" UID, UID, "BestEffort"},
		{"/system.slice/k3s.service/kubepods/burstable/pod" UID "/", UID, "Burstable"},
		{"kubepods/pod" HASH, HASH, "Guaranteed"},
	};
	struct pod_path p;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(pods); i++) {
		if (!pod_path_parse(pods[i].path, strlen(pods[i].path), &p))
			fail_msg("%s is a pod's", pods[i].path);
		assert_string_equal(p.uid, pods[i].uid);
		assert_string_equal(p.qos, pods[i].qos);
	}
}

static void what_is_no_pod(void **state)
{
	static const char *const others[] = {
		"",
		"/",
		"//",
		"/kubepods.slice",
		"/kubepods",
		"/kubepods/burstable",
		"/pod" UID,
		"/x/pod" UID,
		"/kubepods/pod",
		"/kubepods/x/pod" UID,
		"/burstable/pod" UID,
		"/kubepods/burstable/x/pod" UID,
		"/kubepods.slice/kubepods-burstable.slice",
		"/kubepods.slice/kubepods-pod.slice",
		"/x.slice/x-pod" ESCAPED ".slice",
		"/x/mykubepods-pod" ESCAPED ".slice",
		"/kubepods.slice/kubepods-other-pod" ESCAPED ".slice",
		"/pod" ESCAPED ".slice",
		"/-pod" ESCAPED ".slice",
		"/.slice",
		"/kubepods-pod" ESCAPED ".scope",
		"/kubepods/podman",
		"/machine.slice/libpod-" ID ".scope",
		"/kubepods.slice/kubepods-pod" ESCAPED ".slice/cri-containerd-" ID ".scope",
		"/kubepods.slice/kubepods-pod" ESCAPED ".slice/crio-conmon-" ID ".scope",
	};
	char path[512];
	struct pod_path p;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(others); i++)
		if (strcmp(others[i], "/kubepods/podman") != 0 && pod_path_parse(others[i], strlen(others[i]), &p))
			fail_msg("%s is no pod's, and not of %s", others[i], p.uid);
	/* Too long to be a uid. */
	memset(path, 'a', sizeof(path));
	memcpy(path, "/kubepods/pod", 13);
	assert_false(pod_path_parse(path, 13 + POD_UID_SIZE, &p));
	assert_true(pod_path_parse(path, 13 + POD_UID_SIZE - 1, &p));
	/* A name that does not even look like one is never a pod's. */
	assert_false(pod_path_likely("cri-containerd-" ID ".scope") || pod_path_likely("kubepods.slice"));
}

/* Every directory that a real node had. */
static void a_real_node(const char *name, unsigned int n_pods, unsigned int n_containers)
{
	char path[256], *line = NULL;
	unsigned int pods = 0, containers = 0;
	size_t capacity = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/vectors/kube/v1.36-real-node/%s", PRISM_TEST_DATA, name);
	f = fopen(path, "re");
	assert_non_null(f);
	while (getline(&line, &capacity, f) > 0) {
		char *s = strstr(line, "kubepods.slice");
		struct container_name c;
		struct pod_path p;
		size_t len;

		/* One directory a line; what comes after a blank is a table of something else. */
		if (!s || strstr(line, "cpu.weight"))
			continue;
		len = strcspn(s, " \r\n");
		if (pod_path_parse(s, len, &p)) {
			pods++;
			assert_string_equal(p.driver, "systemd");
			assert_true(strlen(p.uid) == 36 || strlen(p.uid) == 32);
		}
		s[len] = '\0';
		if (strrchr(s, '/') && container_name_parse(strrchr(s, '/') + 1, strlen(strrchr(s, '/') + 1), &c)) {
			containers++;
			assert_string_equal(c.runtime, "containerd");
		}
	}
	free(line);
	fclose(f);
	assert_int_equal(pods, n_pods);
	assert_int_equal(containers, n_containers);
}

static void real_nodes(void **state)
{
	(void)state;
	a_real_node("cgroups.txt", 4, 8);
	a_real_node("cgroups-with-static.txt", 5, 10);
}

static void containers(void **state)
{
	static const struct {
		const char *name, *runtime;
	} known[] = {{"cri-containerd-" ID ".scope", "containerd"},
		     {"crio-" ID ".scope", "CRI-O"},
		     {"crio-" ID, "CRI-O"},
		     {"docker-" ID ".scope", "docker"},
		     {"libpod-" ID ".scope", "podman"},
		     {ID, ""}};
	static const char *const others[] = {
		"crio-conmon-" ID ".scope", "container", "",       "cri-containerd-" ID "0.scope",
		"cri-containerd-.scope",    "CRIO-" ID,  "pod" UID};
	struct container_name c;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(known); i++) {
		assert_true(container_name_parse(known[i].name, strlen(known[i].name), &c));
		assert_string_equal(c.runtime, known[i].runtime);
		assert_string_equal(c.id, ID);
	}
	for (i = 0; i < ARRAY_SIZE(others); i++)
		assert_false(container_name_parse(others[i], strlen(others[i]), &c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),    cmocka_unit_test(other_roots), cmocka_unit_test(what_is_no_pod),
		cmocka_unit_test(real_nodes), cmocka_unit_test(containers),
	};

	return cmocka_run_group_tests_name("pods_path", tests, NULL, NULL);
}
