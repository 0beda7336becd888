/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "devices/blk_image.h"
#include "vmm/config.h"
#include "vmm/log.h"

static char dir[] = "/tmp/nidus-img-XXXXXX";
static char path[100];
static struct blk_image img;

static const char *in_dir(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void make_file(const char *name, off_t size)
{
	int fd = open(in_dir(name), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	close(fd);
}

static int open_image(const char *name, bool ro, struct blk_image *out)
{
	struct disk_cfg cfg = { .file = { .path = (char *)(uintptr_t)in_dir(name), .fd = -1 }, .ro = ro };

	return blk_image_open(&cfg, out);
}

static int setup(void **state)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM, 0);

	if (!mkdtemp(dir))
		return -1;
	make_file("good", 1 << 20);
	make_file("odd", 1025);
	make_file("empty", 0);
	make_file("tiny", 511);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", in_dir("socket"));
	if (bind(s, (struct sockaddr *)&a, sizeof(a)))
		return -1;
	close(s);
	return mkdir(in_dir("dir"), 0700) || mkfifo(in_dir("fifo"), 0600);
}

static int teardown(void **state)
{
	static const char *const names[] = { "good", "odd", "empty", "tiny", "socket", "fifo" };

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		unlink(in_dir(names[i]));
	rmdir(in_dir("dir"));
	return rmdir(dir);
}

static void test_image_regular_file_is_opened_and_measured(void **state)
{
	assert_int_equal(open_image("good", false, &img), 0);
	assert_int_equal(img.sectors, 2048);
	assert_int_equal(img.physical_bytes, 4096);
	assert_false(fcntl(img.fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(img.fd, F_GETFD) & FD_CLOEXEC);
	/* What io_uring keeps for a while must not hold the lock. */
	assert_int_not_equal(img.lock_fd, img.fd);
	blk_image_close(&img);
	blk_image_close(&img);
}

static void test_image_odd_size_is_rounded_down(void **state)
{
	assert_int_equal(open_image("odd", true, &img), 0);
	assert_int_equal(img.sectors, 2);
	blk_image_close(&img);
}

static void test_image_of_another_kind_is_refused(void **state)
{
	static const char *const names[] = { "dir", "fifo", "socket", "empty", "tiny", "missing", "../../dev/null", "../../dev/tty" };

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		for (unsigned ro = 0; ro < 2; ro++) {
			if (open_image(names[i], ro, &img) != EXIT_NOINPUT)
				fail_msg("%s: not refused", names[i]);
			assert_int_equal(img.fd, -1);
		}
	}
}

static void test_image_lock_allows_readers_or_one_writer(void **state)
{
	static const struct {
		bool first_ro, second_ro;
		int status;
	} rows[] = {
		{ false, false, EXIT_NOINPUT },
		{ false, true, EXIT_NOINPUT },
		{ true, false, EXIT_NOINPUT },
		{ true, true, 0 },
	};
	struct blk_image second;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(open_image("good", rows[i].first_ro, &img), 0);
		assert_int_equal(open_image("good", rows[i].second_ro, &second), rows[i].status);
		blk_image_close(&second);
		blk_image_close(&img);
	}
	assert_int_equal(open_image("good", false, &img), 0);
	blk_image_close(&img);
}

static void test_image_inherited_descriptor_is_used_and_kept(void **state)
{
	int fd = open(in_dir("good"), O_RDWR);
	struct disk_cfg cfg = { .file = { .path = "fd:N", .fd = fd } };

	assert_int_equal(blk_image_open(&cfg, &img), 0);
	assert_int_not_equal(img.fd, fd);
	blk_image_close(&img);
	assert_true(fcntl(fd, F_GETFD) >= 0);
	close(fd);
	assert_int_equal(blk_image_open(&cfg, &img), EXIT_NOINPUT);
}

static void test_image_inherited_descriptor_for_reading_needs_ro(void **state)
{
	int fd = open(in_dir("good"), O_RDONLY);
	struct disk_cfg cfg = { .file = { .path = "fd:N", .fd = fd } };

	assert_int_equal(blk_image_open(&cfg, &img), EXIT_NOINPUT);
	cfg.ro = true;
	assert_int_equal(blk_image_open(&cfg, &img), 0);
	blk_image_close(&img);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_image_regular_file_is_opened_and_measured),
		cmocka_unit_test(test_image_odd_size_is_rounded_down),
		cmocka_unit_test(test_image_of_another_kind_is_refused),
		cmocka_unit_test(test_image_lock_allows_readers_or_one_writer),
		cmocka_unit_test(test_image_inherited_descriptor_is_used_and_kept),
		cmocka_unit_test(test_image_inherited_descriptor_for_reading_needs_ro),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
