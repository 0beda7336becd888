/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "vmm/config.h"
#include "vmm/host_error.h"

const char *host_error_text(int err)
{
	switch (err) {
	case -EMFILE:
		return "too many open files: raise the limit (ulimit -n, LimitNOFILE= of a service)";
	case -ENFILE:
		return "too many open files on this host: raise fs.file-max (sysctl)";
	default:
		return strerror(-err);
	}
}

int host_error_status(int err)
{
	return err == -EMFILE || err == -ENFILE || err == -ENOMEM ? EXIT_HOST : EXIT_NOINPUT;
}
