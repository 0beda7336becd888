/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets of a hostile driver to a vsock with Unix sockets, see chains_fuzz.h. The host's side: the first byte says whether it connects, writes
 * what follows, reads or closes. Port 1 is served.
 */
#include "tests/fuzz/chains_fuzz.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "devices/vsock.h"
#include "vmm/log.h"

static struct drv d;
static char path[64];
static int listener = -1, fd[4] = { -1, -1, -1, -1 };

static int open_socket(const char *to, bool listening)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", to);
	if (listening)
		drv_must(!bind(s, (struct sockaddr *)&sa, sizeof(sa)) && !listen(s, 8), "listen");
	else
		(void)!connect(s, (struct sockaddr *)&sa, sizeof(sa));
	return s;
}

static void host(const uint8_t *buf, unsigned len)
{
	int *s = &fd[len ? buf[0] >> 6 : 0];
	u8 sink[4096];

	if (!len)
		return;
	switch (buf[0] % 5) {
	case 0:
		if (*s < 0)
			*s = open_socket(path, false);
		break;
	case 1:
		if (*s < 0)
			*s = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
		break;
	case 2:
		(void)!send(*s, buf + 1, len - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case 3:
		(void)!recv(*s, sink, sizeof(sink), MSG_DONTWAIT);
		break;
	case 4:
		if (*s >= 0)
			close(*s);
		*s = -1;
	}
}

static void set_up(void)
{
	char dir[] = "/tmp/nidus-fuzz-XXXXXX", port[80];

	log_set_level(LOG_ERROR);
	drv_must(mkdtemp(dir) != NULL, "folder");
	snprintf(path, sizeof(path), "%s/v", dir);
	snprintf(port, sizeof(port), "%s_1", path);
	drv_open(&d);
	drv_must(!vsock_uds_create(&d.ctx, 3, path), "device");
	drv_attach(&d);
	listener = open_socket(port, true);
}

static void clean_up(void)
{
	char port[80];

	snprintf(port, sizeof(port), "%s_1", path);
	unlink(port);
	drv_close(&d);
	*strrchr(path, '/') = 0;
	rmdir(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct chains_cfg cfg = { .queues = 3, .features = ~0ULL, .host = host };

	if (!d.mem) {
		set_up();
		atexit(clean_up);
	}
	chains_run(&d, &cfg, data, size);
	for (unsigned i = 0; i < ARRAY_SIZE(fd); i++) {
		if (fd[i] >= 0)
			close(fd[i]);
		fd[i] = -1;
	}
	drv_pump(&d);
	return 0;
}
