/* SPDX-License-Identifier: Apache-2.0 */
/* Where the API server is and who prismd is there: kubeconfig files and service accounts, good and bad. */
#include "test.h"

#include <sys/stat.h>

#include "base/util.h"
#include "kube/access.h"

static char dir[] = "/tmp/prism-access-XXXXXX";
static char file[64];

static void write_file(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void remove_file(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	unlink(path);
}

static int load(const char *text, const char *context, struct kube_access *access, struct error *e)
{
	const struct kube_access_options options = {.kubeconfig = file, .context = context};

	write_file("config", text);
	*e = (struct error){0};
	return kube_access_load(&options, access, e);
}

/* As kubectl and kubeadm write it. */
static const char usual[] = "apiVersion: v1\n"
			    "kind: Config\n"
			    "preferences: {}\n"
			    "clusters:\n"
			    "- cluster:\n"
			    "    certificate-authority-data: Q0E=\n"
			    "    server: https://10.0.0.1:6443\n"
			    "  name: kubernetes\n"
			    "- name: other\n"
			    "  cluster: {server: 'https://h:1/', insecure-skip-tls-verify: true, tls-server-name: n,"
			    " proxy-url: 'http://p:3'}\n"
			    "contexts:\n"
			    "- context: {cluster: kubernetes, user: admin, namespace: x}\n"
			    "  name: admin@kubernetes\n"
			    "- {name: b, context: {cluster: other, user: token}}\n"
			    "- {name: anonymous, context: {cluster: kubernetes, user: \"\"}}\n"
			    "current-context: admin@kubernetes\n"
			    "users:\n"
			    "- name: admin\n"
			    "  user:\n"
			    "    client-certificate-data: Q0VSVA==\n"
			    "    client-key-data: S0VZ\n"
			    "- {name: token, user: {token: abc.def}}\n";

static void certificates_and_contexts(void **state)
{
	struct kube_access a = {0};
	struct error e;

	(void)state;
	assert_int_equal(load(usual, NULL, &a, &e), 0);
	assert_string_equal(a.url, "https://10.0.0.1:6443");
	assert_string_equal(a.ca.data, "CA");
	assert_string_equal(a.certificate.data, "CERT");
	assert_string_equal(a.key.data, "KEY");
	assert_null(a.token);
	assert_false(a.insecure);
	assert_contains(a.origin, "context admin@kubernetes");
	/* Loading again forgets what was there. */
	assert_int_equal(load(usual, "b", &a, &e), 0);
	assert_string_equal(a.url, "https://h:1");
	assert_string_equal(a.token, "abc.def");
	assert_string_equal(a.tls_name, "n");
	assert_string_equal(a.proxy, "http://p:3");
	assert_true(a.insecure);
	assert_int_equal(a.key.len, 0);
	assert_int_equal(load(usual, "anonymous", &a, &e), 0);
	assert_null(a.token);
	kube_access_done(&a);
}

#define WITH_USER(user)                                                                                                \
	"current-context: a\n"                                                                                         \
	"clusters: [{name: c, cluster: {server: 'http://h'}}]\n"                                                       \
	"contexts: [{name: a, context: {cluster: c, user: u}}]\n"                                                      \
	"users: [{name: u, user: " user "}]\n"

static void files_are_relative_and_read_anew(void **state)
{
	struct kube_access a = {0};
	struct error e;
	char text[512];

	(void)state;
	write_file("token", " one\n\n");
	write_file("tls.pem", "PEM");
	assert_int_equal(
		load(WITH_USER("{tokenFile: token, token: not-this, client-certificate: tls.pem, client-key: tls.pem}"),
		     NULL, &a, &e),
		0);
	assert_string_equal(a.token, "one");
	assert_string_equal(a.key.data, "PEM");
	write_file("token", "two");
	snprintf(text, sizeof(text), WITH_USER("{tokenFile: '%s/token'}"), dir);
	assert_int_equal(load(text, NULL, &a, &e), 0);
	assert_string_equal(a.token, "two");
	kube_access_done(&a);
	remove_file("token");
	remove_file("tls.pem");
}

/* What is wrong, and where. */
static void what_is_refused(void **state)
{
	static const struct {
		const char *text, *where, *why;
		int code;
	} bad[] = {
		{WITH_USER("{exec: {command: aws, args: [eks]}}"), "/config:4:26", "exec runs a program", ENOTSUP},
		{WITH_USER("{auth-provider: {name: gcp}}"), "/config:4:26", "auth-provider is a log-in plugin",
		 ENOTSUP},
		{WITH_USER("{username: a, password: b}"), "/config:4:26", "username is a password log-in", ENOTSUP},
		{WITH_USER("{token: t, as: admin}"), "/config:4:36", "as impersonates another user", ENOTSUP},
		{WITH_USER("{token: 'a b'}"), "/config:4:26", "is no token: byte 2", EINVAL},
		{WITH_USER("{token: \"a\\nHost: b\"}"), "/config:4:26", "is no token: byte 2", EINVAL},
		{WITH_USER("{tokenFile: nowhere}"), "/nowhere", "No such file", ENOENT},
		{WITH_USER("{client-certificate-data: '%'}"), "/config:4:26", "is not base64", EINVAL},
		{WITH_USER("{client-certificate-data: QQ==}"), "/config:4", "no client-key", EINVAL},
		{WITH_USER("[]"), "/config:4", "has no user that is a map", EINVAL},
		{"", "/config", "no current-context", EINVAL},
		{"[]", "/config", "holds no map", EINVAL},
		{"current-context: a\n", "/config", "contexts has none that is called \"a\"", ENOENT},
		{"current-context: a\ncontexts: [{name: a, context: {user: u}}]\n", "/config:2", "names no cluster",
		 EINVAL},
		{"current-context: a\ncontexts: [{name: a, context: {cluster: c}}]\nclusters: [{name: c, cluster: {x: "
		 "1}}]\n",
		 "/config:3", "has no server", EINVAL},
		{"current-context: a\ncontexts: [{name: a, context: {cluster: c}}]\n"
		 "clusters: [{name: c, cluster: {server: 'ftp://h'}}]\n",
		 "ftp://h", "begins with https://", EINVAL},
		{"a: [", "config:2:1", "not valid YAML", EINVAL},
	};
	struct kube_access a = {0};
	struct error e;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		if (load(bad[i].text, NULL, &a, &e) != -bad[i].code)
			fail_msg("%s: %s: %s (%d)", bad[i].text, e.where, e.text, e.code);
		assert_contains(e.where, bad[i].where);
		assert_contains(e.text, bad[i].why);
	}
	kube_access_done(&a);
}

static void service_accounts(void **state)
{
	const struct kube_access_options options = {.service_account_dir = dir};
	struct kube_access a = {0};
	struct error e = {0};

	(void)state;
	unsetenv("KUBERNETES_SERVICE_HOST");
	write_file("token", "sa-token");
	write_file("ca.crt", "CA");
	assert_false(kube_in_cluster(dir));
	assert_int_equal(kube_access_load(&options, &a, &e), -ENOENT);
	assert_contains(e.text, "sources.kubernetes.kubeconfig");
	setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1", 1);
	setenv("KUBERNETES_SERVICE_PORT", "6443", 1);
	assert_true(kube_in_cluster(dir));
	assert_int_equal(kube_access_load(&options, &a, &e), 0);
	assert_string_equal(a.url, "https://10.96.0.1:6443");
	assert_string_equal(a.token, "sa-token");
	assert_string_equal(a.ca.data, "CA");
	setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
	unsetenv("KUBERNETES_SERVICE_PORT");
	assert_int_equal(kube_access_load(&options, &a, &e), 0);
	assert_string_equal(a.url, "https://[fd00::1]:443");
	remove_file("token");
	assert_false(kube_in_cluster(dir));
	assert_int_equal(kube_access_load(&options, &a, &e), -ENOENT);
	assert_contains(e.where, "/token");
	kube_access_done(&a);
	remove_file("ca.crt");
}

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(file, sizeof(file), "%s/config", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unlink(file);
	remove_file("token");
	remove_file("tls.pem");
	remove_file("ca.crt");
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certificates_and_contexts),
		cmocka_unit_test(files_are_relative_and_read_anew),
		cmocka_unit_test(what_is_refused),
		cmocka_unit_test(service_accounts),
	};

	return cmocka_run_group_tests_name("kube_access", tests, make_dir, remove_dir);
}
