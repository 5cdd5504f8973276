# SPDX-License-Identifier: Apache-2.0
# One folder of src/ is one library; one folder of tests/unit is one test program; one file of tests/fuzz is one target.

# sluice_library(NAME DEPENDENCY…): all .cpp files of the current folder.
function(sluice_library name)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  if(NOT sources)
    add_library(${name} INTERFACE)
    return()
  endif()
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC sluice_options ${ARGN})
  sluice_use_precompiled(${name} sluice_pch ${ARGN})
endfunction()

# sluice_use_precompiled(NAME PCH DEPENDENCY…): the precompiled headers PCH, or PCH_asio for those who may use Asio.
function(sluice_use_precompiled name pch)
  foreach(room sluice_net sluice_sessions_http)
    if(${room} IN_LIST ARGN OR name STREQUAL ${room})
      set(owner ${pch}_asio)
    endif()
  endforeach()
  if(NOT owner)
    set(owner ${pch})
  endif()
  target_precompile_headers(${name} REUSE_FROM ${owner})
endfunction()

# sluice_unit_test(NAME FOLDER DEPENDENCY…): all .cpp files of tests/unit/FOLDER, as one GoogleTest program.
function(sluice_unit_test name folder)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.cpp)
  list(GET ARGN 0 library)
  if(NOT sources OR NOT TARGET ${library})
    return()
  endif()
  add_executable(${name} ${sources})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  target_compile_definitions(${name} PRIVATE SLUICE_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  target_link_libraries(${name} PRIVATE ${ARGN} GTest::gmock GTest::gtest_main)
  set_target_properties(${name} PROPERTIES SLUICE_UNOPTIMISED ON)
  sluice_use_precompiled(${name} sluice_pch_unit ${ARGN})
  add_test(NAME ${name} COMMAND ${name} --gtest_brief=1)
endfunction()
