/* SPDX-License-Identifier: Apache-2.0 */
// wrap: write
#include "tests/unit/unit.h"

#include "tests/unit/fake_sysfs.h"
#include "vmm/bind.h"
#include "vmm/config.h"

#define BDF "0000:01:00.0"

static char sys[32];
static char written[256]; /* all of it, one after the other, each with a space */
static const char *refuse; /* what cannot be written */

ssize_t __wrap_write(int fd, const void *buf, size_t len);
ssize_t __real_write(int fd, const void *buf, size_t len);
ssize_t __wrap_write(int fd, const void *buf, size_t len)
{
	size_t n = strlen(written);

	if (fd > 2)
		snprintf(written + n, sizeof(written) - n, "%.*s ", (int)len, (const char *)buf);
	if (fd > 2 && refuse && len == strlen(refuse) && memcmp(buf, refuse, len) == 0) {
		errno = EBUSY;
		return -1;
	}
	return __real_write(fd, buf, len);
}

static int setup(void **state)
{
	sysfs_new(sys);
	sysfs_file(sys, "bus/pci/drivers/vfio-pci/unbind", "");
	written[0] = 0;
	refuse = NULL;
	return 0;
}

static int teardown(void **state)
{
	sysfs_del(sys);
	return 0;
}

static const char *content(const char *name)
{
	static char text[64];
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/bus/pci/%s", sys, name);
	memset(text, 0, sizeof(text));
	f = fopen(path, "r");
	assert_non_null(f);
	if (!fgets(text, sizeof(text), f))
		text[0] = 0;
	fclose(f);
	return text;
}

static void add(const char *driver, const char *class)
{
	struct sysfs_fn fn = { .bdf = BDF, .driver = driver, .class = class, .group = 1 };

	sysfs_add(sys, &fn);
	sysfs_file(sys, "bus/pci/devices/" BDF "/driver_override", "");
}

static void test_bind_takes_the_driver_off_and_asks_for_vfio_pci(void **state)
{
	struct stat st;
	char path[128];

	add("nvme", NULL);
	/* The link leads to drivers/nvme, where unbind is. */
	snprintf(path, sizeof(path), "%s/bus/pci/devices/" BDF "/driver/unbind", sys);
	assert_int_equal(stat(path, &st), 0);
	/* This sysfs does not act on it, so the driver is still the old one afterwards, and is to stay. */
	assert_int_equal(bind_main(sys, BDF), EXIT_HOST);
	assert_string_equal(written, "vfio-pci " BDF " " BDF " \n ");
	assert_string_equal(content("drivers/nvme/unbind"), BDF);
	assert_string_equal(content("drivers_probe"), BDF);
	assert_string_equal(content("devices/" BDF "/driver_override"), "\n");
}

static void test_bind_of_nobodys_function_that_fails_lets_the_kernel_choose(void **state)
{
	add(NULL, NULL);
	assert_int_equal(bind_main(sys, BDF), EXIT_HOST);
	assert_string_equal(written, "vfio-pci " BDF " \n " BDF " ");
}

static void test_bind_driver_that_does_not_let_go_keeps_its_function(void **state)
{
	add("nvme", NULL);
	refuse = BDF;
	assert_int_equal(bind_main(sys, BDF), EXIT_HOST);
	assert_string_equal(written, "vfio-pci " BDF " \n ");
}

static void test_bind_without_vfio_pci_touches_nothing(void **state)
{
	char path[128];

	add("nvme", NULL);
	snprintf(path, sizeof(path), "%s/bus/pci/drivers/vfio-pci/unbind", sys);
	assert_int_equal(unlink(path), 0);
	*strrchr(path, '/') = 0;
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(bind_main(sys, BDF), EXIT_HOST);
	assert_string_equal(written, "");
}

static void test_bind_again_does_nothing(void **state)
{
	add("vfio-pci", NULL);
	assert_int_equal(bind_main(sys, "01:00.0"), EXIT_OK);
	assert_string_equal(content("devices/" BDF "/driver_override"), "");
}

static void test_unbind_clears_the_override_and_lets_the_kernel_choose(void **state)
{
	add("vfio-pci", NULL);
	assert_int_equal(unbind_main(sys, BDF), EXIT_OK);
	assert_string_equal(content("devices/" BDF "/driver_override"), "\n");
	assert_string_equal(content("drivers/vfio-pci/unbind"), BDF);
	assert_string_equal(content("drivers_probe"), BDF);
}

static void test_unbind_of_another_drivers_function_does_nothing(void **state)
{
	add("nvme", NULL);
	assert_int_equal(unbind_main(sys, BDF), EXIT_OK);
	assert_string_equal(content("drivers_probe"), "");
}

static void test_bind_refuses_what_cannot_be_bound(void **state)
{
	assert_int_equal(bind_main(sys, "nonsense"), EXIT_USAGE);
	assert_int_equal(bind_main(sys, "0000:02:00.0"), EXIT_NOINPUT);
	assert_int_equal(unbind_main(sys, "0000:02:00.0"), EXIT_NOINPUT);
	add("pcieport", "0x060400\n");
	assert_int_equal(bind_main(sys, BDF), EXIT_HOST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bind_takes_the_driver_off_and_asks_for_vfio_pci, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bind_of_nobodys_function_that_fails_lets_the_kernel_choose, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bind_driver_that_does_not_let_go_keeps_its_function, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bind_without_vfio_pci_touches_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bind_again_does_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unbind_clears_the_override_and_lets_the_kernel_choose, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unbind_of_another_drivers_function_does_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bind_refuses_what_cannot_be_bound, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
