/* SPDX-License-Identifier: Apache-2.0 */
// wrap: open64 mmap64
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/check.h"
#include "vmm/vcpu.h"

/* A KVM whose one vCPU ends as a row says. */
enum end { ENDS_DONE, ENDS_EXCEPTION, ENDS_SHUTDOWN, ENDS_INTERNAL, NO_NODE, NO_PERMISSION, NO_VM, NO_MEMORY, NO_RAM, NO_VCPU };

static struct {
	enum end end;
	struct vcpu_env env;
	unsigned vms, vcpus;
} t;

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
	if (strcmp(path, "/dev/kvm") != 0)
		return __real_open64(path, flags, 0600);
	if (t.end == NO_NODE || t.end == NO_PERMISSION) {
		errno = t.end == NO_NODE ? ENOENT : EACCES;
		return -1;
	}
	return __real_open64("/dev/null", O_RDWR);
}

void *__real_mmap64(void *at, size_t len, int prot, int flags, int fd, off64_t off);
void *__wrap_mmap64(void *at, size_t len, int prot, int flags, int fd, off64_t off)
{
	if (t.end != NO_MEMORY)
		return __real_mmap64(at, len, prot, flags, fd, off);
	errno = ENOMEM;
	return MAP_FAILED;
}

int kvm_create(struct kvm *k, const char *node, int fd)
{
	close(fd);
	if (t.end == NO_VM)
		return EXIT_HOST;
	t.vms++;
	k->phys_bits = 39;
	return 0;
}

void kvm_destroy(struct kvm *k)
{
	t.vms--;
}

int kvm_add_ram(struct kvm *k, const struct mem *m)
{
	return t.end == NO_RAM ? -ENOSPC : 0;
}

int vcpus_create(const struct vcpu_env *env, unsigned n, struct vcpus **out)
{
	assert_true(env->trial);
	t.env = *env;
	t.vcpus += t.end != NO_VCPU;
	return t.end == NO_VCPU ? EXIT_HOST : 0;
}

void vcpus_destroy(struct vcpus *v)
{
	t.vcpus--;
}

int vcpus_reset(struct vcpus *v, const struct boot_entry *entry)
{
	assert_true(entry->long_mode);
	return 0;
}

int vcpus_start(struct vcpus *v)
{
	if (t.end == ENDS_DONE || t.end == ENDS_EXCEPTION)
		bus_write(t.env.pio, CHECK_GUEST_PORT + (t.end == ENDS_EXCEPTION), 1, 0);
	else
		t.env.stopped(t.env.arg, 0, t.end == ENDS_SHUTDOWN ? VCPU_STOP_SHUTDOWN : VCPU_STOP_INTERNAL);
	return 0;
}

static char *check(const struct vm_config *c, int want)
{
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_int_equal(check_main(c, f), want);
	fclose(f);
	assert_int_equal(t.vms, 0);
	assert_int_equal(t.vcpus, 0);
	return text;
}

static const struct {
	enum end end;
	int status;
	const char *says;
} rows[] = {
	{ ENDS_DONE, EXIT_OK, "a test guest ran to its end" },
	{ ENDS_EXCEPTION, EXIT_HOST, "an exception, or a wrong result, at its first instruction" },
	{ ENDS_SHUTDOWN, EXIT_HOST, "the test guest died at its first instruction" },
	{ ENDS_INTERNAL, EXIT_HOST, "cannot run stock kernels: KVM gave up at its first instruction" },
	{ NO_NODE, EXIT_HOST, "load kvm_intel or kvm_amd" },
	{ NO_PERMISSION, EXIT_HOST, "add the user to group kvm" },
	{ NO_VM, EXIT_HOST, "no VM can be created" },
	{ NO_MEMORY, EXIT_HOST, "no memory for a test guest" },
	{ NO_RAM, EXIT_HOST, "could not be started: No space left on device" },
	{ NO_VCPU, EXIT_HOST, "could not be started: see the message on stderr" },
};

static void test_check_verdict_and_remedy(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vm_config c;
		char *text;

		config_init(&c);
		t.end = rows[i].end;
		text = check(&c, rows[i].status);
		assert_non_null(strstr(text, rows[i].says));
		assert_int_equal(strstr(text, "FAIL") != NULL, rows[i].status != EXIT_OK);
		free(text);
		c.skip = true;
		free(check(&c, rows[i].status == EXIT_OK ? EXIT_OK : EXIT_SKIP));
		config_free(&c);
	}
}

static void test_check_json_is_one_object(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vm_config c;
		json_t *j;
		char *text;

		config_init(&c);
		c.json = true;
		t.end = rows[i].end;
		text = check(&c, rows[i].status);
		j = json_loads(text, 0, NULL);
		assert_non_null(j);
		assert_int_equal(json_is_true(json_object_get(j, "ok")), rows[i].status == EXIT_OK);
		assert_true(json_array_size(json_object_get(j, "checks")) >= 1);
		json_decref(j);
		free(text);
		config_free(&c);
	}
}

/* A program finds what is about a function by its name. */
static void test_check_json_names_the_function(void **state)
{
	json_t *j, *it, *mine = NULL;
	struct vm_config c;
	char *text;
	size_t i;

	config_init(&c);
	c.json = true;
	c.n_vfios = 1;
	c.vfios[0].bdf = strdup("0000:7f:1f.7");
	t.end = ENDS_DONE;
	text = check(&c, EXIT_HOST);
	j = json_loads(text, 0, NULL);
	json_array_foreach(json_object_get(j, "checks"), i, it)
	{
		if (json_object_get(it, "bdf"))
			mine = it;
		assert_null(json_object_get(it, "answer"));
	}
	assert_non_null(mine);
	assert_string_equal(json_string_value(json_object_get(mine, "bdf")), "0000:7f:1f.7");
	assert_string_equal(json_string_value(json_object_get(mine, "what")), "function");
	assert_true(json_is_false(json_object_get(mine, "ok")));
	assert_string_not_equal(json_string_value(json_object_get(mine, "remedy")), "");
	json_decref(j);
	free(text);
	config_free(&c);
}

static void test_check_inherited_descriptor_is_kept(void **state)
{
	struct vm_config c;

	config_init(&c);
	c.kvm_fd = __real_open64("/dev/null", O_RDWR);
	t.end = ENDS_DONE;
	free(check(&c, EXIT_OK));
	assert_true(fcntl(c.kvm_fd, F_GETFD) >= 0);
	close(c.kvm_fd);
	free(check(&c, EXIT_HOST));
	config_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check_verdict_and_remedy),
		cmocka_unit_test(test_check_json_is_one_object),
		cmocka_unit_test(test_check_json_names_the_function),
		cmocka_unit_test(test_check_inherited_descriptor_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
