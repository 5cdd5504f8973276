# SPDX-License-Identifier: Apache-2.0
# Precompiled headers, four for the whole tree, because parsing the standard library, Asio and GoogleTest anew in each file was half of a
# build. Only headers of others stand here, so that nothing of ours is compiled again when one of ours changes. They are not seen by
# scripts/check-layers (which reads #include lines) and scripts/check-house --headers (which compiles each header without them): what a
# header needs it still includes itself.
set(SLUICE_PCH_STANDARD
  <algorithm> <array> <atomic> <bitset> <charconv> <chrono> <compare> <concepts> <cstddef> <cstdint> <cstring> <deque> <expected> <filesystem>
  <functional> <limits> <map> <memory> <mutex> <optional> <ostream> <set> <span> <string> <string_view> <thread> <tuple> <type_traits>
  <unordered_map> <utility> <variant> <vector> <fmt/format.h>)
set(SLUICE_PCH_ASIO
  <boost/asio/awaitable.hpp> <boost/asio/co_spawn.hpp> <boost/asio/deferred.hpp> <boost/asio/executor_work_guard.hpp>
  <boost/asio/io_context.hpp> <boost/asio/ip/tcp.hpp> <boost/asio/local/stream_protocol.hpp> <boost/asio/post.hpp>
  <boost/asio/signal_set.hpp> <boost/asio/steady_timer.hpp> <boost/asio/use_awaitable.hpp> <boost/json.hpp>)
# The same for every file that sees Asio. A request's coroutines lie a few frames deep: Asio keeps two of them for the next ones unless told to
# keep more.
set(SLUICE_ASIO_DEFINITIONS BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_RECYCLING_ALLOCATOR_CACHE_SIZE=8)
set(SLUICE_PCH_GTEST <sstream> <gtest/gtest.h> <gmock/gmock.h>)

# sluice_precompile(NAME HEADER…): a target whose headers others take with target_precompile_headers(… REUSE_FROM NAME).
function(sluice_precompile name)
  file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp.new "// nothing: what is wanted of this target is its precompiled header\n")
  file(COPY_FILE ${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp.new ${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp ONLY_IF_DIFFERENT)
  add_library(${name} OBJECT EXCLUDE_FROM_ALL ${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp)
  target_link_libraries(${name} PRIVATE sluice_options Boost::headers fmt::fmt)
  target_compile_definitions(${name} PRIVATE ${SLUICE_ASIO_DEFINITIONS})
  target_precompile_headers(${name} PRIVATE ${ARGN})
endfunction()
