/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pods to workloads, on the real pipeline and a real map: what the API server says and what cgroups appear, in every
 * order, and what a consumer sees of it.
 */
#include "test.h"

#include <bpf/bpf.h>
#include <jansson.h>

#include "agent/pipeline.h"
#include "pipeline_world.h"
#include "pods/room.h"

#define UID_A "11111111-2222-3333-4444-00000000000a"
#define UID_B "11111111-2222-3333-4444-00000000000b"
#define HASH "9e3f1184ddfc0cdf60f3963ee5f4112b"
#define DIR_A "pod" UID_A
#define DIR_B "pod" UID_B

static struct agent agent;
static struct pods_source *pods;
static struct source *rules;
static struct cgroup *kubepods;
static uint64_t next_id;

/* ---- a node ---- */

static void reconsider(void *arg, struct cgroup *cg)
{
	(void)arg;
	pipeline_reconsider(agent.pipeline, cg);
}

static void received(void *arg, uint64_t ns)
{
	(void)arg;
	pipeline_received(agent.pipeline, ns);
}

static void flush(void *arg)
{
	(void)arg;
	pipeline_flush(agent.pipeline);
}

static bool adopted_answer;

/* What the run before has left: one identity, for every cgroup. */
static bool adopted(void *arg, const struct cgroup *cg, struct workload_spec *ret)
{
	static const struct prism_label labels[] = {{"app", "a"}};

	(void)arg;
	(void)cg;
	*ret = (struct workload_spec){.namespace_name = "shop",
				      .service_account = "sa",
				      .labels = labels,
				      .n_labels = 1,
				      .latency_class = "critical"};
	return adopted_answer;
}

static struct cgroup *make(struct cgroup *parent, const char *name)
{
	struct cgroup *cg;

	assert_int_equal(cgroup_add(agent.cgroups, parent, next_id++, name, &cg), 0);
	pipeline_cgroup_added(agent.pipeline, cg, monotonic_ns());
	pipeline_flush(agent.pipeline);
	return cg;
}

static void take(struct cgroup *cg)
{
	pipeline_cgroup_removed(agent.pipeline, cg);
	cgroup_remove(agent.cgroups, cg);
	pipeline_flush(agent.pipeline);
}

static int setup(void **state)
{
	struct source_env env = {.loop = uv_default_loop(),
				 .reconsider = reconsider,
				 .received = received,
				 .flush = flush,
				 .adopted = adopted,
				 .arg = &agent};
	struct source *source;

	(void)state;
	pipeline_world_init(&agent, "[{match: 'kubepods/burstable/x', namespace: rules}]", 64);
	env.metrics = agent.metrics;
	assert_int_equal(pods_source_new(&env, &source), 0);
	pods = container_of(source, struct pods_source, source);
	/* As configure() does, without a server. */
	pods->active = true;
	pods->config.node = strdup("node-a");
	rules = agent.source[0];
	agent.source[0] = source;
	agent.source[1] = rules;
	agent.n_sources = 2;
	next_id = 100;
	adopted_answer = false;
	kubepods = make(make(cgroups_root(agent.cgroups), "kubepods"), "burstable");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	pods->source.ops->free(&pods->source);
	agent.source[0] = rules;
	agent.n_sources = 1;
	pipeline_world_done(&agent);
	return 0;
}

/* ---- an API server ---- */

static unsigned int version;

static int say_json(enum kube_change change, const char *text)
{
	json_error_t bad;
	json_t *doc = json_loads(text, 0, &bad);
	struct error e;
	int r;

	if (!doc)
		fail_msg("%s: %s", text, bad.text);
	pods_callbacks.arrived(pods);
	r = pods_callbacks.object(pods, change, doc, &e);
	pods_callbacks.settled(pods);
	json_decref(doc);
	return r;
}

static int say(enum kube_change change, const char *uid, const char *name, const char *account, const char *labels)
{
	char text[2048];

	snprintf(text, sizeof(text),
		 "{\"metadata\":{\"uid\":\"%s\",\"namespace\":\"shop\",\"name\":\"%s\",\"labels\":{%s},"
		 "\"resourceVersion\":\"%u\"},\"spec\":{\"serviceAccountName\":\"%s\",\"nodeName\":\"node-a\"},"
		 "\"status\":{\"phase\":\"Running\"}}",
		 uid, name, labels, ++version, account);
	return say_json(change, text);
}

static void list_of(bool a, bool whole)
{
	pods_callbacks.list_begins(pods);
	if (a)
		say(KUBE_ADDED, UID_A, "a", "sa", "\"app\":\"a\"");
	pods_callbacks.list_ends(pods, whole);
	pods_callbacks.settled(pods);
}

/* ---- a consumer ---- */

static uint32_t number_of(const struct cgroup *cg)
{
	struct prism_identity entry;

	return bpf_map_lookup_elem(bus_fd(agent.bus), &cg->id, &entry) == 0 ? entry.identity : 0;
}

static uint32_t flags_of(const struct cgroup *cg)
{
	struct prism_identity entry;

	return bpf_map_lookup_elem(bus_fd(agent.bus), &cg->id, &entry) == 0 ? entry.flags : 0;
}

static const char *form_of(const struct cgroup *cg)
{
	const struct identity *id = identity_by_number(agent.identities, number_of(cg));

	return id ? id->canonical : "";
}

#define FORM_A "io.prism/namespace=shop;io.prism/serviceaccount=sa;app=a"

/* ---- orders ---- */

static void the_event_first(void **state)
{
	struct cgroup *pod, *container;

	(void)state;
	say(KUBE_ADDED, UID_A, "a", "sa", "\"app\":\"a\"");
	pod = make(kubepods, DIR_A);
	assert_string_equal(form_of(pod), FORM_A);
	container = make(pod, "0123456789abcdef");
	assert_int_equal(number_of(container), number_of(pod));
	assert_int_equal(number_of(kubepods), 0);
	assert_true(metric_get(agent.metrics, METRIC_POD_WINDOW, NULL) == 1);
	assert_true(metric_get(agent.metrics, METRIC_PODS, "known") == 1);
}

static void the_cgroup_first(void **state)
{
	struct cgroup *pod = make(kubepods, DIR_A), *container = make(pod, "c");

	(void)state;
	assert_int_equal(number_of(pod), 0);
	assert_true(metric_get(agent.metrics, METRIC_PODS, "waiting") == 1);
	say(KUBE_ADDED, UID_A, "a", "sa", "\"app\":\"a\"");
	assert_string_equal(form_of(pod), FORM_A);
	assert_int_equal(number_of(container), number_of(pod));
	assert_true(metric_get(agent.metrics, METRIC_POD_WINDOW, NULL) == 1);
}

static void the_service_account_counts(void **state)
{
	struct cgroup *a = make(kubepods, DIR_A), *b = make(kubepods, DIR_B);

	(void)state;
	say(KUBE_ADDED, UID_A, "a", "sa", "\"app\":\"a\"");
	say(KUBE_ADDED, UID_B, "b", "other", "\"app\":\"a\"");
	assert_true(number_of(a) && number_of(b) && number_of(a) != number_of(b));
	/* And nothing else does, of what replicas differ in. */
	say(KUBE_MODIFIED, UID_B, "b", "sa", "\"app\":\"a\",\"pod-template-hash\":\"77\"");
	assert_int_equal(number_of(a), number_of(b));
}

static void the_same_uid_with_a_new_cgroup(void **state)
{
	struct cgroup *first = make(kubepods, DIR_A), *second, *parent;
	uint32_t number;

	(void)state;
	say(KUBE_ADDED, UID_A, "a", "sa", "\"app\":\"a\"");
	number = number_of(first);
	parent = make(make(cgroups_root(agent.cgroups), "nested"), "kubepods");
	second = make(parent, DIR_A);
	assert_int_equal(number_of(second), number);
	take(first);
	assert_int_equal(number_of(second), number);
	say(KUBE_MODIFIED, UID_A, "a", "sa", "\"app\":\"b\"");
	assert_true(number_of(second) != number);
	take(second);
	assert_int_equal(agent.cgroups ? bus_staged(agent.bus) : 1, 0);
	second = make(parent, DIR_A);
	assert_contains(form_of(second), "app=b");
}

static void a_relabel_in_place(void **state)
{
	struct cgroup *pod = make(kubepods, DIR_A), *container = make(pod, "c");
	uint32_t number;

	(void)state;
	say(KUBE_ADDED, UID_A, "a", "sa", "\"app\":\"a\"");
	number = number_of(pod);
	/* Policy alone: the number stays. */
	say(KUBE_MODIFIED, UID_A, "a", "sa",
	    "\"app\":\"a\",\"prism.io/latency-class\":\"critical\",\"prism.io/weight\":\"96\"");
	assert_int_equal(number_of(container), number);
	assert_int_equal(PRISM_FLAGS_CLASS(flags_of(container)), PRISM_CLASS_CRITICAL);
	assert_int_equal(PRISM_FLAGS_WEIGHT(flags_of(container)), 96);
	say(KUBE_MODIFIED, UID_A, "a", "sa", "\"app\":\"z\"");
	assert_true(number_of(container) != number);
	assert_int_equal(number_of(container), number_of(pod));
	assert_int_equal(flags_of(pod), 0);
}

static void the_same_again_writes_nothing(void **state)
{
	struct bus_stats before, after;
	int i;

	(void)state;
	make(kubepods, DIR_A);
	say(KUBE_ADDED, UID_A, "a", "sa", "\"app\":\"a\"");
	bus_stats(agent.bus, &before);
	for (i = 0; i < 1000; i++)
		say(KUBE_MODIFIED, UID_A, "a", "sa", "\"app\":\"a\"");
	bus_stats(agent.bus, &after);
	assert_int_equal(after.writes, before.writes);
	assert_int_equal(after.generation, before.generation);
}

/* ---- the end of a pod ---- */

static void what_runs_stays_what_it_is(void **state)
{
	struct cgroup *pod = make(kubepods, DIR_A), *late;
	uint32_t number;

	(void)state;
	say(KUBE_ADDED, UID_A, "a", "sa", "\"app\":\"a\"");
	number = number_of(pod);
	say_json(KUBE_MODIFIED, "{\"metadata\":{\"uid\":\"" UID_A
				"\",\"namespace\":\"shop\",\"name\":\"a\",\"labels\":{\"app\":\"a\"}},"
				"\"spec\":{\"serviceAccountName\":\"sa\"},\"status\":{\"phase\":\"Succeeded\"}}");
	assert_int_equal(number_of(pod), number);
	say(KUBE_DELETED, UID_A, "a", "sa", "\"app\":\"a\"");
	assert_int_equal(number_of(pod), number);
	assert_true(metric_get(agent.metrics, METRIC_PODS, "left") == 1);
	/* A hook that still starts something. */
	late = make(pod, "late");
	assert_int_equal(number_of(late), number);
	take(late);
	take(pod);
	assert_null(pods->index.pods);
	assert_int_equal(identity_live(agent.identities), 0);
}

static void finished_pods_take_no_room(void **state)
{
	static const char done[] =
		"{\"metadata\":{\"uid\":\"" UID_A "\",\"namespace\":\"shop\",\"name\":\"a\"},\"spec\":{},"
		"\"status\":{\"phase\":\"Failed\",\"reason\":\"Evicted\"}}";

	(void)state;
	say_json(KUBE_ADDED, done);
	assert_null(pods->index.pods);
	say(KUBE_ADDED, UID_A, "a", "sa", "");
	assert_non_null(pods->index.pods);
	say_json(KUBE_MODIFIED, done);
	assert_null(pods->index.pods);
	say(KUBE_DELETED, UID_A, "a", "sa", "");
}

static void a_list_without_it(void **state)
{
	struct cgroup *pod = make(kubepods, DIR_A);
	uint32_t number;

	(void)state;
	list_of(true, true);
	number = number_of(pod);
	say(KUBE_ADDED, UID_B, "b", "sa", "");
	assert_int_not_equal(number, 0);
	/* One that begins and does not end, one in which something could not be read, and a true one. */
	pods_callbacks.list_begins(pods);
	list_of(false, false);
	assert_non_null(pod_find(&pods->index, UID_B));
	list_of(false, true);
	assert_null(pod_find(&pods->index, UID_B));
	assert_int_equal(number_of(pod), number);
	assert_int_equal(pod_find(&pods->index, UID_A)->state, POD_LEFT);
	/* And it is back. */
	list_of(true, true);
	assert_int_equal(pod_find(&pods->index, UID_A)->state, POD_KNOWN);
	assert_int_equal(number_of(pod), number);
}

static void events_out_of_order(void **state)
{
	struct cgroup *pod = make(kubepods, DIR_A);

	(void)state;
	list_of(true, true);
	version += 10;
	say(KUBE_MODIFIED, UID_A, "a", "sa", "\"app\":\"new\"");
	assert_contains(form_of(pod), "app=new");
	version -= 5;
	say(KUBE_MODIFIED, UID_A, "a", "sa", "\"app\":\"old\"");
	assert_contains(form_of(pod), "app=new");
	say(KUBE_DELETED, UID_A, "a", "sa", "\"app\":\"old\"");
	assert_int_equal(pod_find(&pods->index, UID_A)->state, POD_KNOWN);
	version += 20;
	say(KUBE_DELETED, UID_A, "a", "sa", "\"app\":\"new\"");
	version -= 5;
	say(KUBE_MODIFIED, UID_A, "a", "sa", "\"app\":\"old\"");
	assert_int_equal(pod_find(&pods->index, UID_A)->state, POD_LEFT);
	/* A server whose time has gone back: a new list counts, whatever its versions are. */
	version = 1;
	list_of(true, true);
	assert_string_equal(form_of(pod), FORM_A);
}

/* ---- odd pods ---- */

#define MIRROR(uid, name, hash)                                                                                        \
	"{\"metadata\":{\"uid\":\"" uid "\",\"namespace\":\"kube-system\",\"name\":\"" name                            \
	"\",\"annotations\":{\"kubernetes.io/config.hash\":\"" hash "\",\"kubernetes.io/config.mirror\":\"" hash       \
	"\"}},\"spec\":{\"nodeName\":\"node-a\"},\"status\":{\"phase\":\"Running\"}}"

static void static_pods_go_by_their_hash(void **state)
{
	struct cgroup *pod = make(kubepods, "pod" HASH), *other = make(kubepods, "podm");

	(void)state;
	say_json(KUBE_ADDED, MIRROR("m", "etcd", HASH));
	assert_string_equal(form_of(pod), "io.prism/namespace=kube-system;io.prism/serviceaccount=;");
	/* Its object's own uid is nobody's cgroup. */
	assert_int_equal(number_of(other), 0);
	/* kubelet made the mirror anew. */
	say_json(KUBE_ADDED, MIRROR("m2", "etcd", HASH));
	assert_string_equal(pod_uid(pod_find(&pods->index, HASH)), "m2");
	say_json(KUBE_DELETED, MIRROR("m", "etcd", HASH));
	assert_int_equal(pod_find(&pods->index, HASH)->state, POD_KNOWN);
}

static void a_false_mirror_gets_nothing(void **state)
{
	struct cgroup *pod = make(kubepods, DIR_A), *fixed = make(kubepods, "pod" HASH);
	const char *before;

	(void)state;
	say(KUBE_ADDED, UID_A, "a", "sa", "\"app\":\"a\"");
	say_json(KUBE_ADDED, MIRROR("m", "etcd", HASH));
	before = form_of(fixed);
	say_json(KUBE_ADDED, MIRROR("evil", "evil", UID_A));
	say_json(KUBE_ADDED, MIRROR("evil", "evil", HASH));
	assert_string_equal(form_of(pod), FORM_A);
	assert_ptr_equal(form_of(fixed), before);
	assert_int_equal(pods->conflicts, 2);
	/* The annotation of the hash alone makes no mirror. */
	say_json(KUBE_ADDED, "{\"metadata\":{\"uid\":\"evil\",\"namespace\":\"n\",\"name\":\"n\",\"annotations\":{"
			     "\"kubernetes.io/config.hash\":\"" UID_A "\"}},\"spec\":{},\"status\":{}}");
	assert_string_equal(form_of(pod), FORM_A);
	/* One that came before the true pod has to go. */
	say_json(KUBE_ADDED, MIRROR("evil", "evil", UID_B));
	say(KUBE_ADDED, UID_B, "b", "sa", "\"app\":\"b\"");
	assert_contains(form_of(make(kubepods, DIR_B)), "app=b");
}

static void a_pod_inside_of_a_pod_is_part_of_it(void **state)
{
	struct cgroup *pod = make(kubepods, DIR_A), *inner;

	(void)state;
	say(KUBE_ADDED, UID_B, "victim", "sa", "\"app\":\"victim\"");
	inner = make(make(make(pod, "container"), "kubepods"), DIR_B);
	/* Nobody knows yet whose the outer one is. */
	assert_contains(form_of(inner), "app=victim");
	say(KUBE_ADDED, UID_A, "a", "sa", "\"app\":\"a\"");
	assert_string_equal(form_of(inner), FORM_A);
	assert_int_equal(number_of(inner), number_of(pod));
	say(KUBE_MODIFIED, UID_B, "victim", "sa", "\"app\":\"still\"");
	assert_string_equal(form_of(inner), FORM_A);
}

static void pods_without_labels_and_other_nodes(void **state)
{
	struct cgroup *pod = make(kubepods, DIR_A), *other = make(kubepods, DIR_B);

	(void)state;
	say_json(KUBE_ADDED, "{\"metadata\":{\"uid\":\"" UID_A
			     "\",\"namespace\":\"n\",\"name\":\"a\"},\"spec\":{\"hostNetwork\":true}}");
	assert_string_equal(form_of(pod), "io.prism/namespace=n;io.prism/serviceaccount=;");
	say_json(KUBE_ADDED, "{\"metadata\":{\"uid\":\"" UID_B
			     "\",\"namespace\":\"n\",\"name\":\"b\"},\"spec\":{\"nodeName\":\"node-b\"}}");
	assert_int_equal(number_of(other), 0);
	assert_int_equal(say_json(KUBE_ADDED, "{\"metadata\":{\"uid\":\"u\"}}"), -EBADMSG);
	assert_int_equal(say_json(KUBE_ADDED, "{}"), -EBADMSG);
	/* Odd members of the right names. */
	say_json(KUBE_ADDED, "{\"metadata\":{\"uid\":\"" UID_B
			     "\",\"namespace\":\"n\",\"name\":\"b\",\"labels\":{\"a\":1,\"b\":\"2\"},"
			     "\"resourceVersion\":5},\"spec\":7,\"status\":[]}");
	assert_string_equal(form_of(other), "io.prism/namespace=n;io.prism/serviceaccount=;b=2");
}

static void unreadable_policy_is_counted(void **state)
{
	struct cgroup *pod = make(kubepods, DIR_A);

	(void)state;
	say(KUBE_ADDED, UID_A, "a", "sa", "\"prism.io/latency-class\":\"turbo\",\"prism.io/weight\":\"-1\"");
	assert_int_equal(flags_of(pod), 0);
	assert_int_not_equal(number_of(pod), 0);
	assert_true(metric_get(agent.metrics, METRIC_POLICY_INVALID, "latency-class") == 1);
	assert_true(metric_get(agent.metrics, METRIC_POLICY_INVALID, "weight") == 1);
}

/* ---- a new run of prismd ---- */

static void the_bus_says_until_the_server_does(void **state)
{
	struct text why = {0};
	struct cgroup *pod, *b;
	char path[256];

	(void)state;
	adopted_answer = true;
	pod = make(kubepods, DIR_A);
	b = make(kubepods, DIR_B);
	adopted_answer = false;
	assert_string_equal(form_of(pod), FORM_A);
	assert_int_equal(PRISM_FLAGS_CLASS(flags_of(pod)), PRISM_CLASS_CRITICAL);
	/* Asked again, as after a change of the label filters. */
	pipeline_refilter(agent.pipeline);
	assert_string_equal(form_of(pod), FORM_A);
	cgroup_path(pod, path, sizeof(path));
	pods->source.ops->explain(&pods->source, path, &why);
	assert_contains(why.data, "as the run before had it");
	text_done(&why);
	/* It speaks of one, and not of the other, which is still there. */
	list_of(true, true);
	assert_string_equal(form_of(pod), FORM_A);
	assert_int_equal(flags_of(pod), 0);
	assert_int_equal(number_of(b), number_of(pod));
	take(b);
	assert_null(pod_find(&pods->index, UID_B));
}

static void what_is_explained(void **state)
{
	static const struct {
		const char *below, *says;
	} told[] = {{"", "shop/a, uid " UID_A "; known to the API server; Running; on the bus "},
		    {"/cri-containerd-52859911bd207fd1efb61e1b1e8e4392adde8b7c5c3193a4592fa8c900c97cee.scope/x",
		     "; container 52859911bd20 of containerd"}};
	struct cgroup *pod;
	char path[256], below[512];
	size_t i;

	(void)state;
	say(KUBE_ADDED, UID_A, "a", "sa", "");
	pod = make(kubepods, DIR_A);
	cgroup_path(pod, path, sizeof(path));
	for (i = 0; i < ARRAY_SIZE(told); i++) {
		struct text why = {0};

		snprintf(below, sizeof(below), "%s%s", path, told[i].below);
		pods->source.ops->explain(&pods->source, below, &why);
		assert_contains(why.data, "cgroupfs cgroup of a Burstable pod: ");
		assert_contains(why.data, told[i].says);
		text_done(&why);
	}
	for (i = 0; i < 2; i++) {
		struct text why = {0};

		pods->source.ops->explain(&pods->source, i ? "/kubepods/pod" UID_B : "/system.slice", &why);
		assert_contains(why.data, i ? "of which the API server has said nothing" : "is no pod's cgroup");
		text_done(&why);
	}
}

static char node_labels[256];

static void take_node_labels(void *arg, const char *labels)
{
	(void)arg;
	snprintf(node_labels, sizeof(node_labels), "%s", labels);
}

static int say_node(enum kube_change change, const char *text)
{
	json_t *doc = json_loads(text, 0, NULL);
	struct error e;
	int r = node_callbacks.object(pods, change, doc, &e);

	json_decref(doc);
	return r;
}

static void labels_of_the_node(void **state)
{
	(void)state;
	pods->source.env.node_labels = take_node_labels;
	say_node(KUBE_ADDED, "{\"metadata\":{\"name\":\"node-a\",\"labels\":{\"pool\":\"fast\",\"a/"
			     "b\":\"\",\"x\":\"1\\n2\",\"n\":1}}}");
	assert_string_equal(node_labels, "a/b=\npool=fast\n");
	say_node(KUBE_MODIFIED, "{\"metadata\":{\"name\":\"node-b\",\"labels\":{\"pool\":\"slow\"}}}");
	say_node(KUBE_DELETED, "{\"metadata\":{\"name\":\"node-a\"}}");
	assert_string_equal(node_labels, "a/b=\npool=fast\n");
	assert_int_equal(say_node(KUBE_ADDED, "{}"), -EBADMSG);
	say_node(KUBE_MODIFIED, "{\"metadata\":{\"name\":\"node-a\"}}");
	assert_string_equal(node_labels, "");
}

static void switched_off(void **state)
{
	struct cgroup *pod = make(kubepods, DIR_A);

	(void)state;
	say(KUBE_ADDED, UID_A, "a", "sa", "");
	say(KUBE_ADDED, UID_B, "b", "sa", "");
	assert_int_not_equal(number_of(pod), 0);
	pods->active = false;
	pods_forget(pods);
	pipeline_flush(agent.pipeline);
	assert_int_equal(number_of(pod), 0);
	assert_true(pods->source.ops->synced(&pods->source));
	pods->active = true;
	say(KUBE_ADDED, UID_A, "a", "sa", "");
	assert_int_not_equal(number_of(pod), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(the_event_first),
		TEST(the_cgroup_first),
		TEST(the_service_account_counts),
		TEST(the_same_uid_with_a_new_cgroup),
		TEST(a_relabel_in_place),
		TEST(the_same_again_writes_nothing),
		TEST(what_runs_stays_what_it_is),
		TEST(finished_pods_take_no_room),
		TEST(a_list_without_it),
		TEST(events_out_of_order),
		TEST(static_pods_go_by_their_hash),
		TEST(a_false_mirror_gets_nothing),
		TEST(a_pod_inside_of_a_pod_is_part_of_it),
		TEST(pods_without_labels_and_other_nodes),
		TEST(unreadable_policy_is_counted),
		TEST(the_bus_says_until_the_server_does),
		TEST(what_is_explained),
		TEST(labels_of_the_node),
		TEST(switched_off),
	};

	return cmocka_run_group_tests_name("pods_source", tests, NULL, NULL);
}
