// SPDX-License-Identifier: Apache-2.0
#include "app/commands.h"
#include "app/config.h"

#include <fmt/core.h>
#include <openssl/crypto.h>
#include <spdlog/version.h>
#include <toml++/toml.h>
#include <boost/version.hpp>

#include <ares.h>
#include <maxminddb.h>
#include <zlib.h>

#include <ostream>

namespace sluice::app {

std::string_view version() { return SLUICE_VERSION; }

int run_version(std::ostream& out) {
    out << fmt::format("sluice {}\n", version());
    out << fmt::format("build     {}, clang {}\n", SLUICE_BUILD, __clang_version__);
    out << fmt::format("boost     {}.{}.{}\n", BOOST_VERSION / 100000, BOOST_VERSION / 100 % 1000, BOOST_VERSION % 100);
    out << fmt::format("c-ares    {}\n", ares_version(nullptr));
    out << fmt::format("maxmind   {}\n", MMDB_lib_version());
    out << fmt::format("openssl   {}\n", OpenSSL_version(OPENSSL_VERSION_STRING));
    out << fmt::format("re2       {}\n", SLUICE_RE2);
    out << fmt::format("zlib      {}\n", zlibVersion());
    out << fmt::format("fmt       {}.{}.{}\n", FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100);
    out << fmt::format("spdlog    {}.{}.{}\n", SPDLOG_VER_MAJOR, SPDLOG_VER_MINOR, SPDLOG_VER_PATCH);
    out << fmt::format("toml++    {}.{}.{}\n", TOML_LIB_MAJOR, TOML_LIB_MINOR, TOML_LIB_PATCH);
    return exit_good;
}

int run_config(std::ostream& out) {
    out << default_config_text();
    return exit_good;
}

}  // namespace sluice::app
