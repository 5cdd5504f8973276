// SPDX-License-Identifier: Apache-2.0
#include "app/privileges.h"

#include <fmt/format.h>

#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sluice::app {

std::expected<UserIds, std::string> find_user(const std::string& name) {
    errno = 0;
    const passwd* const entry = getpwnam(name.c_str());
    if (entry == nullptr) return std::unexpected(fmt::format("user: there is no user \"{}\"", name));
    return UserIds{entry->pw_uid, entry->pw_gid};
}

std::expected<void, std::string> become(const std::string& name, const UserIds& ids) {
    const auto failed = [&](std::string_view what) {
        return std::unexpected(fmt::format("user: cannot become \"{}\": {}: {}", name, what, std::strerror(errno)));
    };
    if (geteuid() == ids.uid && getegid() == ids.gid) return {};
    if (initgroups(name.c_str(), ids.gid) != 0) return failed("groups");
    if (setresgid(ids.gid, ids.gid, ids.gid) != 0) return failed("group");
    if (setresuid(ids.uid, ids.uid, ids.uid) != 0) return failed("user");
    uid_t real = 0, effective = 0, saved = 0;
    gid_t real_group = 0, effective_group = 0, saved_group = 0;
    const bool known = getresuid(&real, &effective, &saved) == 0 && getresgid(&real_group, &effective_group, &saved_group) == 0;
    const bool changed = real == ids.uid && effective == ids.uid && saved == ids.uid && real_group == ids.gid &&
                         effective_group == ids.gid && saved_group == ids.gid;
    // The way back must be shut: that this fails is the point.
    if (!known || !changed || (ids.uid != 0 && setuid(0) == 0))
        return std::unexpected(fmt::format("user: cannot become \"{}\" for good", name));
    return {};
}

void forbid_new_privileges() { prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }

std::size_t raise_descriptor_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
    if (limit.rlim_cur < limit.rlim_max) {
        rlimit raised = limit;
        raised.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
    }
    constexpr rlim_t kMost = 16 * 1024 * 1024;             // "unlimited" is a number too
    return static_cast<std::size_t>(std::min(limit.rlim_cur, kMost));
}

std::size_t connections_for(std::size_t descriptors, std::size_t workers) {
    // Listeners, logs, lists being read, epoll and event descriptors, name servers, and pipes of tunnels. Where there are few, a quarter.
    const std::size_t reserve = std::min<std::size_t>(64 + workers * 32, descriptors / 4);
    return std::max<std::size_t>(1, (descriptors - reserve) / 2);
}

}  // namespace sluice::app
